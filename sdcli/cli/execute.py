"""Owns carrying out a plan from the first word to the exit code, for people or for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdcli.errors import SdcliError, UsageError
from sdcli.runs.events import Reporter
from sdcli.runs.plan import Plan
from sdcli.runs.worker import make

from .report_json import Events
from .report_text import People


@contextmanager
def refusals(*, json: bool) -> Iterator[None]:
    """Tell scripts as an event why nothing was made."""
    try:
        yield
    except SdcliError as error:
        if json:
            Events().refused(error)
        raise


def reporter_of(*, json: bool, paths: bool = True) -> Reporter:
    """Events for scripts, or a bar for people, and paths where stdout is not the picture's own."""
    return Events() if json else People(show_paths=paths)


def carry_out(plan: Plan, *, json: bool, grid: bool = False, rows: bool = False) -> int:
    """Make the pictures of a plan, and a sheet of them if there is to be a `grid`; the exit code.

    Where `rows` have a meaning, their ends are told. Raises UsageError, ModelError.
    """
    reporter = reporter_of(json=json, paths=plan.target is not None)
    if not grid:
        return make([plan], reporter, rows=rows)
    if plan.target is None:
        raise UsageError("--grid: there is no folder for it", "--output out/")
    if plan.done:
        raise UsageError("--grid: it would lack what is not made here", "run it without --grid")
    from sdcli.runs.grid import Grid

    sheet = Grid()
    return make([plan], reporter, rows=rows, after=sheet.add, finish=sheet.save)
