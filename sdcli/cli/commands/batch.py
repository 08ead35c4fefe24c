"""`sdcli batch`: all pictures of a file of prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.console import Console, Stdin
from sdcli.cli.execute import carry_out, host_of, refusals, report
from sdcli.cli.flags import GridFlag, PresetFlag, SizeFlag, SweepFlag, parameters
from sdcli.cli.plan_table import PlanFlag, show
from sdcli.errors import UsageError
from sdcli.runs.inputs import Inputs
from sdcli.runs.journal import Journal, Keys
from sdcli.runs.plan import Plan, combinations, joined, plan_row, plan_sweep
from sdcli.runs.stream import NAME, plans_of
from sdcli.runs.worker import make
from sdcli.sources.rows import FORMATS, Format, format_of_text, read_rows, rows_of

app = new_app()


@command(app, more=parameters())
def batch(
    console: Console,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File of prompts; `-` reads stdin.")],
    input_format: Annotated[
        str,
        option(
            "--input-format",
            panel="Batch",
            metavar="|".join(FORMATS),
            help="Format of the file; else by its ending.",
        ),
    ] = "",
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Make the good rows even if others are wrong.",
            rich_help_panel="Batch",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Make only what an earlier run did not finish.",
            rich_help_panel="Batch",
        ),
    ] = False,
    shard: Annotated[
        str,
        option(
            "--shard",
            panel="Batch",
            metavar="I/N",
            help="Make every Nth row, starting at row I: for N processes at once.",
        ),
    ] = "",
    preset: PresetFlag = [],  # noqa: B006  # typer copies it
    size: SizeFlag = "",
    sweep: SweepFlag = [],  # noqa: B006  # typer copies it
    grid: GridFlag = False,
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make the pictures of a file of prompts.

    Each row is a prompt, or a set of settings: a line of text with A1111's or gen's options, a JSON
    object, a CSV row, or a TOML [[picture]]. Options given here are defaults for all rows. The
    model is loaded once, and similar rows are made together; paths are printed in the rows' order.
    Rows from a pipe (`-`) are made as they arrive.
    """
    inputs = Inputs(presets=tuple(preset), size=size, flags=typed)
    host = host_of(console, json=json)
    with refusals(console, json=json):
        how = _format(input_format)
        every = combinations(sweep)
        if file == "-" and how not in ("csv", "toml") and not (plan or resume or shard):
            if typed["animate"]:
                raise UsageError("--animate needs a finite input; rows from stdin never end")
            if grid:
                raise UsageError("--grid needs a finite input; rows from stdin never end")
            plans = plans_of(Stdin(), inputs, how, every, host)
            return make(plans, report(console, json=json), rows=True)
        name = NAME if file == "-" else file
        if file == "-":
            text = Stdin().read()
            rows, problems = rows_of(text, how or format_of_text(text), name)
        else:
            rows, problems = read_rows(Path(file), how)
        among = len(rows) * len(every)
        each_row = []
        for row in rows:
            with problems.gather():
                of_row = partial(plan_row, row, host=host, file=name, among=among)
                each_row.append(plan_sweep(inputs, every, of_row))
        if not rows and not problems:
            raise UsageError(f"{name} has no rows in it")
        if not (keep_going and each_row):
            problems.raise_if_any()
        for error in problems.errors:
            console.show_error(error)
        part = _shard(shard)
        if resume and sweep and any(plan.drawn for plan in each_row):
            raise UsageError(
                "--resume: a sweep with random seeds cannot be resumed", "give its seed with --seed"
            )
        whole = _to_do(each_row, part, console, resume=resume)
        if plan:
            return max(show(whole, console, json=json), 2 if problems else 0)
        code = carry_out(whole, console, json=json, grid=grid, rows=True)
        return max(code, 1 if problems else 0)


def _shard(text: str) -> tuple[int, int]:
    """Parse I/N: which part, of how many."""
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text or "1/1", flags=re.ASCII)
    if not found or int(found[1]) > int(found[2]):
        raise UsageError(f"--shard: {text!r} is not I/N", "2/4 makes the second of four parts")
    return int(found[1]), int(found[2])


def _to_do(plans: Sequence[Plan], part: tuple[int, int], console: Console, *, resume: bool) -> Plan:
    """Return all plans as one, with its journal, less what others do and what is finished."""
    whole = joined(plans)
    if whole.target is None:
        raise UsageError("--output: - takes only one picture", "name a folder: out/")
    journal = Journal.of(whole.target.folder)
    first, of = part
    rows = [place for place, plan in enumerate(plans) for _ in plan.jobs]
    others = {
        job.number for job, place in zip(whole.jobs, rows, strict=True) if place % of != first - 1
    }
    done = set()
    if resume:
        keys = Keys(whole.jobs)
        mine = [job for job in whole.jobs if job.number not in others]
        done = {job.number for job in mine if journal.finished(keys.of(job))}
        console.say(f"{len(done)} of {len(mine)} pictures are already finished")
    return replace(whole, journal=journal, done=frozenset(others | done))


def _format(text: str) -> Format | None:
    if not text:
        return None
    if text not in FORMATS:
        raise UsageError(f"--input-format: must be {', '.join(FORMATS)}, got {text!r}")
    return next(known for known in FORMATS if known == text)
