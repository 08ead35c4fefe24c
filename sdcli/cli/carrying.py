"""Owns carrying out a plan from the first word to the exit code, for people or for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sdcli.errors import SdcliError, UsageError
from sdcli.sweeps import Cell

from .events import Events
from .making import make
from .planning import Plan
from .progress import People, Reporter


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


def carry_out(plan: Plan, *, json: bool, sheet: Sequence[Cell] | None = None) -> int:
    """Make the pictures of a plan, and a sheet of them if it has `sheet`s cells; the exit code."""
    with refusals(json=json):  # of what only a loaded model can tell
        reporter = reporter_of(json=json, paths=plan.target is not None)
        if sheet is None:
            return make([plan], reporter)
        if plan.target is None:
            raise UsageError("--grid: there is no folder for it", "--output out/")
        from .grid import Grid

        grid = Grid(sheet)
        return make([plan], reporter, after=grid.add, finish=grid.save)
