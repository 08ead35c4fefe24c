"""Owns how a run is reported to people: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdcli.errors import SdcliError
from sdcli.images.compare import Likeness

from . import console as ui
from .progress_bar import Pace

if TYPE_CHECKING:
    from sdcli.engine import Picture, Step

    from .progress_bar import Bars

_PLAIN_EVERY = 10.0  # seconds between lines, so that a log stays readable


class People:
    """Paths on stdout; on stderr a bar on a terminal, or a line now and then."""

    def __init__(self, *, show_paths: bool) -> None:
        self._show_paths = show_paths
        self._pace = Pace(0)
        self._bars: Bars | None = None
        self._last_line = time.monotonic()

    def start(self, *, jobs: int, model: str, device: str, dtype: str) -> None:
        """Say once what was chosen."""
        self._pace = Pace(jobs)
        ui.say(f"{model} on {device}, {dtype}")
        self._last_line = time.monotonic()
        if sys.stderr.isatty() and not ui.settings.quiet:
            from .progress_bar import Bars

            self._bars = Bars()

    def more(self, jobs: int) -> None:
        """They are counted with the others."""
        self._pace.jobs += jobs

    def step(self, job: int, batch: int, step: Step) -> None:
        """Move the bars; without any, a line every ten seconds."""
        pace = self._pace
        pace.step(job, batch, step)
        if self._bars:
            self._bars.move(pace)
        elif (now := time.monotonic()) - self._last_line >= _PLAIN_EVERY:
            self._last_line = now
            facts = [f"step {pace.steps}", pace.sigma, pace.speed]
            if pace.left:
                facts.append(f"about {pace.left} left")
            ui.say(f"picture {pace.numbers} of {pace.jobs}: {', '.join(filter(None, facts))}")

    def picture(self, job: int, picture: Picture, *, row: int) -> None:
        """The path on stdout; how it was made on stderr."""
        if self._show_paths:
            self._print_path(str(picture.path))
        request = picture.request
        if not self._bars or ui.settings.verbose:
            ui.say(
                f"picture {job} of {self._pace.jobs}: seed {request.seed}, "
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
        if self._bars and sys.stdout.isatty():
            self._bars.console.print(path, highlight=False, soft_wrap=True)  # above the bar
        else:
            ui.out(path)

    def warning(self, message: str) -> None:
        """On stderr."""
        ui.warn(message)

    def error(self, error: SdcliError, *, job: int, row: int) -> None:
        """On stderr, with the job's number."""
        ui.show_error(of_picture(error, job, row))

    def end(self, *, made: int, failed: int, never: int, skipped: int, seconds: float) -> None:
        """Take the bars away and say what came of it."""
        if self._bars:
            self._bars.stop()
        rest = "".join(
            f", {count} {what}"
            for count, what in ((failed, "failed"), (never, "not made"))
            if count
        )
        if made + failed + never > 1 or rest:
            ui.say(f"{made} made{rest} in {seconds:.1f} s")


def of_picture(error: SdcliError, job: int, row: int) -> SdcliError:
    """The error as a person is told it: with the picture's number, and its line in a file."""
    line = "" if row == job else f" (line {row})"
    return type(error)(f"picture {job}{line}: {error.message}", error.hint)


def _tries(picture: Picture) -> str:
    if picture.tries is None:
        return ""
    return f" in {picture.tries.accepted} steps ({picture.tries.rejected} taken back)"
