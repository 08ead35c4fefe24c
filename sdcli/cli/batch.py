"""Owns `sdcli batch`: all pictures of a file of prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sdcli import presets
from sdcli.batch_files import FORMATS, Row, read_rows
from sdcli.batch_files.reading import Format
from sdcli.errors import UsageError
from sdcli.journal import Journal
from sdcli.layers import Layer

from . import ui
from .carrying import refusals, reporter_of
from .command import Json, command, new_app, option
from .flags import parameters
from .keys import Keys
from .making import make
from .outlook import PlanFlag, show
from .planning import Plan, planned, together
from .understanding import Words

app = new_app()


@command(app, more=parameters())
def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Prompts; `-`: from stdin.")],
    input_format: Annotated[
        str,
        option(
            "--input-format",
            panel="Batch",
            metavar="|".join(FORMATS),
            help="What the file is; else its ending tells.",
        ),
    ] = "",
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Make the good rows even so.",
            rich_help_panel="Batch",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Make what an earlier run of the file did not finish.",
            rich_help_panel="Batch",
        ),
    ] = False,
    shard: Annotated[
        str,
        option(
            "--shard",
            panel="Batch",
            metavar="I/N",
            help="Make every N-th row, from the I-th on: for N processes at once.",
        ),
    ] = "",
    preset: Annotated[
        list[str],
        option(
            "--preset",
            panel="Prompt",
            metavar="NAME",
            help="Named settings for all rows; may be repeated, later ones win.",
            autocompletion=lambda: [found.name for found in presets.presets()],
        ),
    ] = [],  # noqa: B006  # typer copies it
    size: Annotated[
        str, option("--size", panel="Picture", metavar="WxH", help="Width and height at once.")
    ] = "",
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make all pictures of a file of prompts.

    A row is a prompt, or settings: a line of text with A1111's or gen's own options, an object of
    JSON, a row of CSV, a [[picture]] of TOML. Options of the command are defaults for all rows. A
    model is loaded once, and rows that are alike are made at once; paths come in the rows' order.
    """
    with refusals(json=json):
        rows, problems = read_rows(Path(file), _format(input_format))
        words = Words("", tuple(preset), "", size, typed)
        plans = []
        for row in rows:
            with problems.gather():
                plans.append(of_row(row, words, file, among=len(rows), json=json))
        if not rows and not problems:
            raise UsageError(f"{file} has no rows in it")
        if not (keep_going and plans):
            problems.raise_if_any()
        for error in problems.errors:
            ui.show_error(error)
        part = _shard(shard)
        whole = _to_do(plans, part, resume=resume)
        if plan:
            return max(show(whole, json=json), 2 if problems else 0)
        return max(make(whole, reporter_of(whole, json=json)), 1 if problems else 0)


def _shard(text: str) -> tuple[int, int]:
    """Which of how many."""
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text or "1/1", flags=re.ASCII)
    if not found or int(found[1]) > int(found[2]):
        raise UsageError(f"--shard: {text!r} is none", "2/4 is the second of four")
    return int(found[1]), int(found[2])


def _to_do(plans: Sequence[Plan], part: tuple[int, int], *, resume: bool) -> Plan:
    """All plans as one, with its journal, less what others do and what is finished."""
    whole = together(plans)
    if whole.target is None:
        raise UsageError("--output: - is for one picture", "name a folder: out/")
    journal = Journal.of(whole.target.folder)
    first, of = part
    rows = [place for place, plan in enumerate(plans) for _ in plan.jobs]
    others = {
        job.number for job, place in zip(whole.jobs, rows, strict=True) if place % of != first - 1
    }
    done = set()
    if resume:
        keys = Keys(whole)
        mine = [job for job in whole.jobs if job.number not in others]
        done = {job.number for job in mine if journal.finished(keys.of(job))}
        ui.say(f"{len(done)} of {len(mine)} pictures are finished already")
    return replace(whole, journal=journal, done=frozenset(others | done))


def of_row(row: Row, words: Words, file: str, *, among: int, json: bool) -> Plan:
    """The plan of one row, whose job's row is its line. Raises UsageErrors, ModelError."""
    values = {key: value for key, value in row.values.items() if key != "preset"}
    if "prompt" not in values and not words.flags.get("prompt"):
        raise UsageError(f"{file}, line {row.line}: there is no prompt")
    layer = Layer(f"{file}, line {row.line}", values)
    own = replace(words, row=layer, row_presets=row.presets)
    plan = planned(own, json=json, among=among)
    return replace(plan, jobs=[replace(job, row=row.line) for job in plan.jobs])


def _format(text: str) -> Format | None:
    if not text:
        return None
    if text not in FORMATS:
        raise UsageError(f"--input-format: must be {', '.join(FORMATS)}, got {text!r}")
    return next(known for known in FORMATS if known == text)
