"""From a plan to an exit code, for people or for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdcli.errors import SdcliError, UsageError
from sdcli.runs.events import Event, Listener, Warned
from sdcli.runs.host import Host
from sdcli.runs.plan import Plan
from sdcli.runs.worker import make

from .console import Console, Stdin
from .report_json import JsonReport
from .report_text import TextReport
from .terminal.show import ShowPictures


@contextmanager
def refusals(console: Console, *, json: bool) -> Iterator[None]:
    """Write for scripts, as an event, why nothing was made; the error is raised on."""
    try:
        yield
    except SdcliError as error:
        if json:
            JsonReport(console).refuse(error)
        raise


def host_of(console: Console, *, json: bool = False) -> Host:
    """Return the command line as the application sees it."""

    def check_stdout(pictures: int) -> None:
        if json:
            raise UsageError("--output: - and --json both write to stdout", "give --output a file")
        console.check_stdout(pictures)

    return Host(console.notify, Stdin(), check_stdout)


def report(console: Console, *, json: bool, paths: bool = True) -> Listener:
    """Return what renders a run: events for scripts, or a bar for people.

    For people there are `paths` where stdout is not the picture's own.
    """
    render = JsonReport(console) if json else TextReport(console, paths=paths)
    show = ShowPictures(console, lambda text: render(Warned(text)))

    def listen(event: Event) -> None:
        render(event)
        show(event)

    return listen


def carry_out(
    plan: Plan, console: Console, *, json: bool, grid: bool = False, rows: bool = False
) -> int:
    """Make the pictures of a plan, and a sheet of them for `grid`; returns the exit code.

    Where `rows` have a meaning, their ends are reported. Raises UsageError, ModelError.
    """
    listener = report(console, json=json, paths=plan.target is not None)
    if not grid:
        return make([plan], listener, rows=rows, write=console.out_bytes)
    if plan.target is None:
        raise UsageError("--grid needs an output folder", "--output out/")
    if plan.done:
        raise UsageError(
            "--grid needs all pictures, and some are not made in this run", "run it without --grid"
        )
    from sdcli.runs.grid import Grid

    sheet = Grid()
    return make([plan], listener, rows=rows, after=sheet.add, finish=sheet.save)
