"""The order of events: pictures are told of in that of the jobs, whatever is finished first."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock

from sdcli.errors import SdcliError

from . import events
from .events import Event, Listener
from .plan import Job, Plan
from .protocols import PictureResult

After = Callable[[Job, PictureResult], None]
"""What is done with a picture once its event has been heard."""


class Ordered:
    """Passes events on to a listener, from any thread; pictures and failures wait their turn.

    With `rows` the end of each row is an event too. `after` is called with each picture.
    """

    def __init__(
        self, listener: Listener, *, rows: bool = False, after: After | None = None
    ) -> None:
        self._listener = listener
        self._rows = rows
        self._after = after
        self._lock = Lock()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._order: deque[int] = deque()
        self._open: Counter[int] = Counter()  # jobs of a row that are neither saved nor failed
        self._paths: dict[int, list[Path]] = {}
        self._failed_of: Counter[int] = Counter()
        self.begun = False
        self.made = self.failed = 0
        self.never = 0  # queued, and never done

    def queue(self, plan: Plan) -> None:
        """Expect what is left of a plan next, in its order."""
        jobs: Sequence[Job] = plan.remaining
        self(events.Queued(len(jobs), plan.settings, plan.insists))
        self._order.extend(job.number for job in jobs)
        self._open.update(job.row for job in jobs)

    def start(self, *, model: str, device: str, dtype: str) -> None:
        """Start at once, with as many jobs as are queued."""
        self.begun = True
        self(events.Started(len(self._order), model, device, dtype))

    def __call__(self, event: Event) -> None:
        """Pass an event on at once."""
        with self._lock:
            self._listener(event)

    def warn(self, text: str) -> None:
        """Warn at once."""
        self(events.Warned(text))

    def fault(self, error: SdcliError) -> None:
        """Tell at once of a failure that is no single picture's."""
        self.failed += 1
        self(events.Fault(error))

    def saved(self, job: Job, picture: PictureResult) -> None:
        """Tell of a picture when all jobs before it are told of."""
        with self._lock:
            self.made += 1
            self._waiting[job.number] = partial(self._saved, job, picture)
            self._tell()

    def failure(self, error: SdcliError, job: Job) -> None:
        """Tell of a failed job when all before it are told of."""
        with self._lock:
            self.failed += 1
            self._waiting[job.number] = partial(self._failure, error, job)
            self._tell()

    def _saved(self, job: Job, picture: PictureResult) -> None:
        self._listener(events.Saved(job.number, job.row, picture))
        if self._after:
            self._after(job, picture)
        if picture.path:
            self._paths.setdefault(job.row, []).append(picture.path)
        self._close(job)

    def _failure(self, error: SdcliError, job: Job) -> None:
        self._listener(events.Failed(job.number, job.row, error))
        self._failed_of[job.row] += 1
        self._close(job)

    def _close(self, job: Job) -> None:
        self._open[job.row] -= 1
        if self._rows and not self._open[job.row]:
            paths = tuple(self._paths.pop(job.row, []))
            failed = self._failed_of.pop(job.row, 0)
            self._listener(events.RowFinished(job.row, paths, failed))

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
