"""Owns how a run is reported to people: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sdcli.errors import SdcliError
from sdcli.likeness import Likeness

from . import ui

if TYPE_CHECKING:
    from rich.progress import Progress

    from sdcli.engine import Picture, Step

_PLAIN_EVERY = 10.0  # seconds between lines, so that a log stays readable


class Reporter(Protocol):
    """What is told while pictures are made. Jobs are numbered from 1, rows as in their file."""

    def start(self, *, jobs: int, model: str, device: str, dtype: str) -> None:
        """The model is loaded; `jobs` pictures are to be made."""

    def step(self, job: int, batch: int, step: Step) -> None:
        """Pictures job … job+batch-1 have come one step further."""

    def picture(self, job: int, picture: Picture, *, row: int) -> None:
        """A picture is finished and saved at `picture.path`."""

    def row(self, row: int, paths: Sequence[Path], *, failed: int) -> None:
        """All of a row of a file is done: its pictures, and how many failed."""

    def fault(self, error: SdcliError) -> None:
        """Something is wrong that is no single picture's."""

    def sheet(self, path: Path) -> None:
        """A sheet or a table of all pictures stands at `path`."""

    def animation(self, path: Path, *, frames: int) -> None:
        """All pictures stand at `path` as one."""

    def compared(self, job: int, old: Path, found: Likeness, *, same: bool) -> None:
        """Job `job`'s picture was held against an `old` one; `same` that it is near enough."""

    def warning(self, message: str) -> None:
        """Something that a person should know."""

    def error(self, error: SdcliError, *, job: int, row: int) -> None:
        """Job `job` has failed; others go on."""

    def end(self, *, made: int, failed: int, skipped: int, seconds: float) -> None:
        """All is done, or was interrupted; `skipped` jobs were not tried."""


class People:
    """Paths on stdout; on stderr a bar on a terminal, or a line now and then."""

    def __init__(self, *, show_paths: bool) -> None:
        self._show_paths = show_paths
        self._jobs = 0
        self._bar: Progress | None = None
        self._task: Any = None
        self._last_line = self._begun = time.monotonic()

    def start(self, *, jobs: int, model: str, device: str, dtype: str) -> None:
        """Say once what was chosen."""
        self._jobs = jobs
        ui.say(f"{model} on {device}, {dtype}")
        self._begun = self._last_line = time.monotonic()
        if sys.stderr.isatty() and not ui.settings.quiet:
            self._bar = _bar()
            self._task = self._bar.add_task("", total=None, steps="", sigma="", speed="")
            self._bar.start()

    def step(self, job: int, batch: int, step: Step) -> None:
        """Move the bar; without one, a line every ten seconds."""
        now = time.monotonic()
        if step.index == 1:
            self._begun = now
        speed = (step.index - 1) / (now - self._begun) if now > self._begun else 0.0
        steps = str(step.index) if step.steps is None else f"{step.index}/{step.steps}"
        shown = f"{speed:.1f} it/s" if speed else ""
        if self._bar:
            self._bar.update(
                self._task,
                description=f"{_numbers(job, batch)} of {self._jobs}",
                completed=step.done,
                total=1,
                steps=steps,
                sigma=f"σ {step.sigma:.3g}",
                speed=shown,
            )
        elif now - self._last_line >= _PLAIN_EVERY:
            self._last_line = now
            ui.say(
                f"picture {_numbers(job, batch)} of {self._jobs}: step {steps}, "
                f"σ {step.sigma:.3g}, {shown}"
            )

    def picture(self, job: int, picture: Picture, *, row: int) -> None:
        """The path on stdout; how it was made on stderr."""
        if self._show_paths:
            self._print_path(str(picture.path))
        request = picture.request
        if not self._bar or ui.settings.verbose:
            ui.say(
                f"picture {job} of {self._jobs}: seed {request.seed}, "
                f"{picture.evaluations} evaluations{_tries(picture)}, {picture.seconds:.2f} s"
            )

    def compared(self, job: int, old: Path, found: Likeness, *, same: bool) -> None:
        """On stderr, what differs too much as a warning."""
        (ui.say if same else ui.warn)(f"picture {job}, beside {old}: {found}")

    def row(self, row: int, paths: Sequence[Path], *, failed: int) -> None:
        """Nothing: its paths are told."""

    def fault(self, error: SdcliError) -> None:
        """On stderr."""
        ui.show_error(error)

    def sheet(self, path: Path) -> None:
        """Its path on stdout, after those of the pictures."""
        if self._show_paths:
            self._print_path(str(path))

    def animation(self, path: Path, *, frames: int) -> None:
        """Its path on stdout, after those of its frames."""
        if self._show_paths:
            self._print_path(str(path))

    def _print_path(self, path: str) -> None:
        if self._bar and sys.stdout.isatty():
            self._bar.console.print(path, highlight=False, soft_wrap=True)  # above the bar
        else:
            ui.out(path)

    def warning(self, message: str) -> None:
        """On stderr."""
        ui.warn(message)

    def error(self, error: SdcliError, *, job: int, row: int) -> None:
        """On stderr, with the job's number."""
        ui.show_error(of_picture(error, job, row))

    def end(self, *, made: int, failed: int, skipped: int, seconds: float) -> None:
        """Take the bar away and say what came of it."""
        if self._bar:
            self._bar.stop()
        rest = "".join(
            f", {count} {what}"
            for count, what in ((failed, "failed"), (skipped, "not made"))
            if count
        )
        if made + failed + skipped > 1 or rest:
            ui.say(f"{made} made{rest} in {seconds:.1f} s")


def of_picture(error: SdcliError, job: int, row: int) -> SdcliError:
    """The error as a person is told it: with the picture's number, and its line in a file."""
    line = "" if row == job else f" (line {row})"
    return type(error)(f"picture {job}{line}: {error.message}", error.hint)


def _numbers(job: int, batch: int) -> str:
    return str(job) if batch == 1 else f"{job}–{job + batch - 1}"


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[steps]:>7}"),
        TextColumn("[cyan]{task.fields[sigma]:<8}"),
        TextColumn("{task.fields[speed]:>10}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        expand=True,
    )


def _tries(picture: Picture) -> str:
    if picture.tries is None:
        return ""
    return f" in {picture.tries.accepted} steps ({picture.tries.rejected} taken back)"
