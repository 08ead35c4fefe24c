"""Owns the order in which pictures are told of: that of the jobs, whatever is finished first."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sdcli.cli.terminal.show import Show, asked_for, unshown
from sdcli.errors import SdcliError

from .events import Reporter
from .plan import Job, Plan

if TYPE_CHECKING:
    from sdcli.engine import Picture, Step

After = Callable[[Job, "Picture"], None]
"""What is done with a picture that has been told of."""


class InOrder:
    """Passes on to a reporter, from any thread; pictures and failures wait for those before.

    With `rows` it tells too when all of a row is done.
    """

    def __init__(
        self, reporter: Reporter, *, rows: bool = False, after: After | None = None
    ) -> None:
        self._reporter = reporter
        self._rows = rows
        self._after = after
        self._show: Show = unshown
        self._lock = Lock()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._order: deque[int] = deque()
        self._of_row: Counter[int] = Counter()  # jobs that are still to be told of
        self._paths: dict[int, list[Path]] = {}
        self._failed_of: Counter[int] = Counter()
        self.begun = False
        self.made = self.failed = 0
        self.never = 0  # expected, and never done

    def show(self, plan: Plan) -> None:
        """Show each picture in the terminal too, if the plan wants that and somebody sees it."""
        self._show = asked_for(plan.settings, self.warning, typed=plan.insists)

    def expect(self, jobs: Sequence[Job]) -> None:
        """These come next, in this order."""
        if self.begun:
            with self._lock:
                self._reporter.more(len(jobs))
        self._order.extend(job.number for job in jobs)
        self._of_row.update(job.row for job in jobs)

    def start(self, *, model: str, device: str, dtype: str) -> None:
        """At once, with as many jobs as are expected."""
        with self._lock:
            self.begun = True
            jobs = len(self._order)
            self._reporter.start(jobs=jobs, model=model, device=device, dtype=dtype)

    def step(self, job: int, batch: int, step: Step) -> None:
        """At once."""
        with self._lock:
            self._reporter.step(job, batch, step)

    def warning(self, message: str) -> None:
        """At once."""
        with self._lock:
            self._reporter.warning(message)

    def animation(self, path: Path, *, frames: int) -> None:
        """At once."""
        with self._lock:
            self._reporter.animation(path, frames=frames)

    def sheet(self, path: Path) -> None:
        """At once."""
        with self._lock:
            self._reporter.sheet(path)

    def fault(self, error: SdcliError) -> None:
        """At once: a failure that is no single picture's."""
        with self._lock:
            self.failed += 1
            self._reporter.fault(error)

    def picture(self, job: Job, picture: Picture) -> None:
        """When all before it are told of."""
        with self._lock:
            self.made += 1
            self._waiting[job.number] = partial(self._picture, job, picture)
            self._tell()

    def error(self, error: SdcliError, job: Job) -> None:
        """When all before it are told of."""
        with self._lock:
            self.failed += 1
            self._waiting[job.number] = partial(self._error, error, job)
            self._tell()

    def _picture(self, job: Job, picture: Picture) -> None:
        self._reporter.picture(job.number, picture, row=job.row)
        self._show(picture.image)
        if self._after:
            self._after(job, picture)
        if picture.path:
            self._paths.setdefault(job.row, []).append(picture.path)
        self._done(job)

    def _error(self, error: SdcliError, job: Job) -> None:
        self._reporter.error(error, job=job.number, row=job.row)
        self._failed_of[job.row] += 1
        self._done(job)

    def _done(self, job: Job) -> None:
        self._of_row[job.row] -= 1
        if self._rows and not self._of_row[job.row]:
            paths = self._paths.pop(job.row, [])
            self._reporter.row(job.row, paths, failed=self._failed_of.pop(job.row, 0))

    def _tell(self) -> None:
        while self._order and (tell := self._waiting.pop(self._order[0], None)):
            self._order.popleft()
            tell()

    def rest(self) -> None:
        """Tell of those that wait for jobs which will never be done; no others are expected."""
        with self._lock:
            self.never += len(self._order) - len(self._waiting)
            self._order.clear()
            for number in sorted(self._waiting):
                self._waiting.pop(number)()
