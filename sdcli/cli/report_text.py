"""A run for people: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time

from sdcli.errors import SdcliError
from sdcli.runs import events
from sdcli.runs.events import Event
from sdcli.runs.protocols import PictureResult

from .console import Console
from .progress_bar import Bars, Pace

_PLAIN_EVERY = 10.0  # seconds between lines, so that a log stays readable


class TextReport:
    """Listens to a run: paths on stdout; on stderr a bar on a terminal, or a line now and then."""

    def __init__(self, console: Console, *, paths: bool) -> None:
        self._console = console
        self._paths = paths
        self._pace = Pace(0)
        self._bars: Bars | None = None
        self._begun = False
        self._last_line = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Say what has happened."""
        console = self._console
        match event:
            case events.Notice() | events.Busy() | events.Idle():
                console.notify(event)
            case events.Queued():
                if self._begun:
                    self._pace.jobs += event.jobs
            case events.Started():
                self._start(event)
            case events.Progress():
                self._step(event)
            case events.Saved(job, _, picture):
                self._saved(job, picture)
            case events.Compared(job, old, likeness, same):
                (console.say if same else console.warn)(
                    f"picture {job}, compared with {old}: {likeness}"
                )
            case events.SheetSaved(path) | events.AnimationSaved(path):
                self._path(str(path))
            case events.Warned(text):
                console.warn(text)
            case events.Fault(error):
                console.show_error(error)
            case events.Failed(job, row, error):
                console.show_error(of_picture(error, job, row))
            case events.Ended():
                self._end(event)

    def _start(self, start: events.Started) -> None:
        self._begun = True
        self._pace = Pace(start.jobs)
        self._console.say(f"{start.model} on {start.device}, {start.dtype}")
        self._last_line = time.monotonic()
        if sys.stderr.isatty() and not self._console.quiet:
            self._bars = Bars(self._console.people)

    def _step(self, progress: events.Progress) -> None:
        """Move the bars; without any, write a line every ten seconds."""
        pace = self._pace
        pace.step(progress.job, progress.batch, progress.step)
        if self._bars:
            self._bars.move(pace)
        elif (now := time.monotonic()) - self._last_line >= _PLAIN_EVERY:
            self._last_line = now
            facts = [f"step {pace.steps}", pace.sigma, pace.speed]
            if pace.remaining:
                facts.append(f"about {pace.remaining} left")
            line = f"picture {pace.numbers} of {pace.jobs}: {', '.join(filter(None, facts))}"
            self._console.say(line)

    def _saved(self, job: int, picture: PictureResult) -> None:
        """Write the path to stdout; how the picture was made to stderr."""
        self._path(str(picture.path))
        if not self._bars or self._console.verbose:
            self._console.say(
                f"picture {job} of {self._pace.jobs}: seed {picture.request.seed}, "
                f"{picture.evaluations} evaluations{_tries(picture)}, {picture.seconds:.2f} s"
            )

    def _path(self, path: str) -> None:
        if not self._paths:
            return
        if self._bars and sys.stdout.isatty():
            self._console.people.print(path, highlight=False, soft_wrap=True)  # above the bar
        else:
            self._console.out(path)

    def _end(self, end: events.Ended) -> None:
        """Take the bars away and sum the run up."""
        if self._bars:
            self._bars.stop()
        rest = "".join(
            f", {count} {what}"
            for count, what in ((end.failed, "failed"), (end.never, "not made"))
            if count
        )
        if end.made + end.failed + end.never > 1 or rest:
            self._console.say(f"{end.made} made{rest} in {end.seconds:.1f} s")


def of_picture(error: SdcliError, job: int, row: int) -> SdcliError:
    """Put the picture's number, and its line in a file, before the error's message."""
    line = "" if row == job else f" (line {row})"
    return type(error)(f"picture {job}{line}: {error.message}", error.hint)


def _tries(picture: PictureResult) -> str:
    if picture.tries is None:
        return ""
    return f" in {picture.tries.accepted} steps ({picture.tries.rejected} taken back)"
