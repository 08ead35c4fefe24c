"""`--plan`: what would be made, row by row, with no weight loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sdcli.errors import UsageError
from sdcli.models.tokenizers.clip import ClipTokenizer, tokenizer_of
from sdcli.runs.costs import Speeds
from sdcli.runs.deliver import file_delivery
from sdcli.runs.estimate import model_calls, token_count
from sdcli.runs.plan import Job, Plan

from .console import Console
from .progress_bar import spoken

PlanFlag = Annotated[
    bool,
    typer.Option(
        "--plan",
        "--dry-run",
        help="Print what would be made, and make nothing.",
        rich_help_panel="Output",
    ),
]

_COLUMNS = ("ROW", "FILE", "SAMPLER", "STEPS", "SIZE", "SEED", "CALLS", "TOKENS", "PROMPT")
_LONGEST = 40  # characters of a prompt in the table


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one job would take: `calls` None where nobody knows yet, `seconds` if not known."""

    job: Job
    path: str
    calls: int | None
    tokens: int
    negative_tokens: int
    seconds: float | None


def show(plan: Plan, console: Console, *, json: bool) -> int:
    """Print what the plan would make; returns the exit code. Raises UsageError, ModelError."""
    outlooks = list(_outlooks(plan))
    if json:
        for each in outlooks:
            console.out_json({"event": "plan", **_facts(each)})
        return 0
    console.table(_COLUMNS, [_cells(each) for each in outlooks])
    calls = [each.calls for each in outlooks]
    known = sum(count for count in calls if count is not None)
    more = " and more" if None in calls else ""
    times = [each.seconds for each in outlooks]
    time = f", about {spoken(sum(t for t in times if t))}" if all(times) else ""
    console.say(f"{len(outlooks)} pictures, {known} model calls{more}{time}; nothing was made")
    return 0


def _outlooks(plan: Plan) -> Iterator[Outlook]:
    delivery = file_delivery(plan, plan.target) if plan.target else None
    tokenizers: dict[str, ClipTokenizer] = {}
    speeds = Speeds.read()
    for job in plan.remaining:
        request, model = job.request, job.model
        if model.name not in tokenizers:
            tokenizers[model.name] = tokenizer_of(model)
        tokenizer = tokenizers[model.name]
        try:
            calls = model_calls(request, model)
        except UsageError as error:
            raise UsageError(f"row {job.row}: {error.message}", error.hint) from error
        each = speeds.of(job.model.name, request, model.native_size)
        yield Outlook(
            job,
            delivery.name_of(job) if delivery else "-",
            calls,
            token_count(request, request.prompt, tokenizer),
            token_count(request, request.negative_prompt, tokenizer),
            None if calls is None or each is None else calls * each,
        )


def _size(job: Job) -> str:
    native = job.model.native_size
    return f"{job.request.width or native}x{job.request.height or native}"


def _cells(found: Outlook) -> tuple[str, ...]:
    request = found.job.request
    sampler = request.resolved_sampler
    name = sampler.name if sampler.grid else f"{sampler.name} {sampler.resolved_schedule.name}"
    prompt = " ".join(request.prompt.split())
    return (
        str(found.job.row),
        found.path,
        name,
        str(request.steps),
        _size(found.job),
        str(request.seed),
        "?" if found.calls is None else str(found.calls),
        str(found.tokens),
        prompt if len(prompt) <= _LONGEST else f"{prompt[: _LONGEST - 1]}…",
    )


def _facts(found: Outlook) -> dict[str, Any]:
    return {
        "job": found.job.number,
        "row": found.job.row,
        "path": found.path,
        "evals": found.calls,
        "tokens": found.tokens,
        "negative_tokens": found.negative_tokens,
        "seconds": None if found.seconds is None else round(found.seconds, 1),
        "request": found.job.request.model_dump(exclude_none=True),
    }
