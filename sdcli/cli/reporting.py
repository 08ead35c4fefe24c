"""Owns the order in which pictures are told of: that of the jobs, whatever is finished first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from sdcli.errors import SdcliError

from .planning import Job
from .progress import Reporter

if TYPE_CHECKING:
    from sdcli.engine import Picture, Step


After = Callable[[int, "Picture"], None]
"""What is done with a picture that has been told of, and its job's number."""


class InOrder:
    """Passes on to a reporter, from any thread; pictures and failures wait for those before."""

    def __init__(self, reporter: Reporter, jobs: Sequence[Job], after: After | None = None) -> None:
        self._reporter = reporter
        self._after = after
        self._lock = Lock()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._order = deque(job.number for job in jobs)
        self.made = self.failed = 0

    def step(self, job: int, batch: int, step: Step) -> None:
        """At once."""
        with self._lock:
            self._reporter.step(job, batch, step)

    def warning(self, message: str) -> None:
        """At once."""
        with self._lock:
            self._reporter.warning(message)

    def picture(self, job: Job, picture: Picture) -> None:
        """When all before it are told of."""
        with self._lock:
            self.made += 1
            self._waiting[job.number] = lambda: self._picture(job, picture)
            self._tell()

    def _picture(self, job: Job, picture: Picture) -> None:
        self._reporter.picture(job.number, picture, row=job.row)
        if self._after:
            self._after(job.number, picture)

    def error(self, error: SdcliError, job: Job) -> None:
        """When all before it are told of."""
        with self._lock:
            self.failed += 1
            tell = partial(self._reporter.error, error, job=job.number, row=job.row)
            self._waiting[job.number] = tell
            self._tell()

    def _tell(self) -> None:
        while self._order and (tell := self._waiting.pop(self._order[0], None)):
            self._order.popleft()
            tell()

    def rest(self) -> None:
        """Tell of those that wait for jobs which will never be done."""
        with self._lock:
            for number in sorted(self._waiting):
                self._waiting.pop(number)()
