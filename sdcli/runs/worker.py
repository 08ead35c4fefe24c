"""The worker: jobs in batches through the engine, each saved while the next are made."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sdcli.errors import OutOfMemory, SdcliError, UsageError
from sdcli.models.hashes import HashJob
from sdcli.request import GenerationRequest

from . import events
from .batches import batch_size, by_model, groups
from .costs import Speeds, Timing
from .deliver import Animation, Delivery, delivery_of, infotext
from .engines import Engines, hash_jobs
from .events import Listener
from .ordered import After, Ordered
from .plan import Job, Plan
from .preview import Previews
from .protocols import PictureEngine, PictureResult, PictureRun

_WAITING = 2  # finished batches that are not saved yet: memory for no more


def make(
    plans: Iterable[Plan | SdcliError],
    listener: Listener,
    *,
    rows: bool = False,
    after: After | None = None,
    finish: Callable[[], Sequence[Path]] = tuple,
    write: Callable[[bytes], None] | None = None,
) -> int:
    """Make every job's picture, plan by plan; returns the exit code, 0 if none failed, else 1.

    A failure is an event and the others go on, as is an error among the plans; what does not fit
    into memory is tried again with half as many at once, which changes no picture beyond rounding.
    An interruption ends the run with what is finished kept and counted, and is raised on.

    Jobs that are done already are not mentioned. Where `rows` have a meaning, their ends are
    events. `after` is called with each picture, in the jobs' order, and `finish` when all are made,
    for the files that it writes of them. `write` takes the bytes of a picture without a file.
    """
    ordered = Ordered(listener, rows=rows, after=after)
    started = time.monotonic()
    worker: _Worker | None = None
    skipped = 0
    try:
        with ThreadPoolExecutor(1, "saving") as thread:
            for plan in plans:
                if isinstance(plan, SdcliError):
                    ordered.fault(plan)
                    continue
                skipped += len(plan.jobs) - len(plan.remaining)
                if not plan.remaining:
                    continue
                worker = worker or _Worker(plan, ordered, thread, write)
                worker.make(plan)
        if worker:
            worker.end(finish)
    finally:
        try:
            ordered.rest()
        finally:
            if ordered.begun or ordered.failed or skipped:  # else there was nothing to begin with
                seconds = time.monotonic() - started
                listener(
                    events.Ended(ordered.made, ordered.failed, ordered.never, skipped, seconds)
                )
    return 1 if ordered.failed or ordered.never else 0


_COMPILED = ", compiled"


def _way(engine: PictureEngine, request: GenerationRequest) -> str:
    """Return what a picture's cost depends on, beside its model and size."""
    placement = engine.placement
    alone = ", unguided" if request.cfg_scale == 1 else ""
    compiled = _COMPILED if engine.compiled else ""
    return f"{placement.device_name}, {placement.dtype_name}{alone}{compiled}"


@dataclass(frozen=True, slots=True)
class _Finished:
    """A batch whose latents are finished, and what its pictures' texts need."""

    pictures: Iterable[tuple[Job, PictureResult]]
    hashes: HashJob
    dtype: str


class _Worker:
    """The engine makes a batch while the one before it is saved by another thread."""

    def __init__(
        self,
        plan: Plan,
        ordered: Ordered,
        thread: ThreadPoolExecutor,
        write: Callable[[bytes], None] | None,
    ) -> None:
        self._settings = plan.settings
        self._ordered = ordered
        self._thread = thread
        self._write = write
        self._engines = Engines(plan.settings, ordered)
        self._begun = False
        self._most = sys.maxsize  # at once, after running out of memory
        self._alone: set[int] = set()  # jobs of a batch that failed: perhaps through one of them
        self._saving: deque[Future[None]] = deque()
        self._previews = Previews(plan.settings)
        self._speeds = Speeds.read()
        self._animation = Animation()

    def make(self, plan: Plan) -> None:
        """Make what is left of a plan, and save it. Raises SdcliError if all would be refused."""
        self._delivery: Delivery = delivery_of(plan, self._write)
        self._ordered.queue(plan)
        requests = [job.request for job in plan.remaining]
        # All pictures then share what is wrong with one.
        self._alike = len({(r.prompt, r.negative_prompt, r.init_img) for r in requests}) == 1
        for jobs in by_model(plan.remaining):
            self._make_of_a_model(jobs)
        self._wait()
        self._ordered.rest()

    def end(self, finish: Callable[[], Sequence[Path]]) -> None:
        """Save what is made of all pictures, and remember how fast that was."""
        try:
            for sheet in finish():
                self._ordered(events.SheetSaved(sheet))
            if self._settings.animate and self._animation:
                overwrite = self._settings.overwrite
                path = self._animation.save(self._settings.animate, overwrite=overwrite)
                self._ordered(events.AnimationSaved(path, len(self._animation)))
        except SdcliError as error:
            self._ordered.fault(error)
        self._speeds.keep()

    def _make_of_a_model(self, jobs: Sequence[Job]) -> None:
        model, dtype = jobs[0].model, jobs[0].dtype
        if self._engines.replaces(model, dtype):
            self._wait()  # for what the model that goes has to decode
        hashes = hash_jobs(jobs, self._settings)  # worked out while it is loaded
        try:
            engine = self._engines.of(model, dtype)
        except SdcliError as error:
            if not self._begun:
                raise  # whatever is wrong with it, nothing was made
            self._fail(jobs, error)
            return
        if not self._begun:
            self._begun = True
            placement = engine.placement
            self._ordered.start(
                model=model.name, device=placement.device_name, dtype=placement.dtype_name
            )
        for group in groups(jobs):
            self._make_group(group, engine, hashes)

    def _make_group(self, group: Sequence[Job], engine: PictureEngine, hashes: HashJob) -> None:
        """Make the pictures of jobs that are alike. Raises UsageError if all would be refused."""
        request, model = group[0].request, group[0].model
        like = model.name, request, model.native_size
        way = _way(engine, request)
        jobs = list(group)
        while jobs:
            costs = self._speeds.costs(*like, way)
            size = batch_size(engine, self._settings, request, remaining=len(jobs), costs=costs)
            together = request.upscale is None and jobs[0].number not in self._alone
            count = min(size, self._most) if together else 1
            batch, rest = jobs[:count], jobs[count:]
            if self._needs_vae(request):
                self._wait()
            timing = Timing()
            try:
                run = engine.start(
                    [job.request for job in batch], tiles_at_once=size, say=self._ordered.warn
                )
                for step in run:
                    timing.step(step)
                    self._ordered(events.Progress(batch[0].number, len(batch), step))
                    if self._previews.due(step):
                        self._wait()  # for what the VAE has to decode
                        self._previews.save(run, self._ordered.warn)
            except SdcliError as error:
                some = self._ordered.made or self._ordered.failed or self._saving
                if isinstance(error, UsageError) and self._alike and not some:
                    raise
                if isinstance(error, OutOfMemory) and len(batch) > 1:
                    self._most = len(batch) // 2
                    self._ordered.warn(f"{error.message}: continuing with {self._most} at a time")
                    continue
                if len(batch) > 1 and not isinstance(error, UsageError):
                    self._ordered.warn(f"{error.message}: making the {len(batch)} one by one")
                    self._alone.update(job.number for job in batch)
                    continue
                self._fail(batch, error)
                if isinstance(error, OutOfMemory) and self._alike:
                    return  # the next picture is no smaller
            else:
                if request.upscale is None and not request.hires:
                    self._learn(timing, like, way, len(batch))
                self._wait(_WAITING - 1)
                decoded = self._decoded(run, batch)
                pictures = decoded if engine.decodes_aside else list(decoded)
                finished = _Finished(pictures, hashes, engine.placement.dtype_name)
                self._saving.append(self._thread.submit(self._save, finished))
            jobs = rest

    def _learn(
        self, timing: Timing, like: tuple[str, GenerationRequest, int], way: str, count: int
    ) -> None:
        """Remember how fast a batch was, and tell what compiling has cost in it."""
        if _COMPILED in way:
            before = self._speeds.costs(*like, way.replace(_COMPILED, "")).get(count)
            if payback := timing.payback(before and before * count):
                self._ordered.warn(payback)
        if timing.a_call is not None:
            self._speeds.learn(*like, way, timing.a_call / count, at_once=count)

    def _needs_vae(self, request: GenerationRequest) -> bool:
        """Return whether this batch needs memory or weights that decoding the last one takes."""
        whole = request.init_img is None and not request.hires
        return not whole or self._settings.offload != "none"

    def _wait(self, most: int = 0) -> None:
        """Wait until at most so many batches are not saved. Raises what was no picture's fault."""
        while len(self._saving) > most:
            self._saving.popleft().result()

    def _decoded(
        self, run: PictureRun, batch: Sequence[Job]
    ) -> Iterator[tuple[Job, PictureResult]]:
        """Yield each job with its picture, decoded by whoever asks for the first.

        Of a batch that cannot be decoded there is none, and its jobs have failed.
        """
        try:
            pictures = run.pictures()
        except SdcliError as error:
            self._fail(batch, error)
        else:
            yield from zip(batch, pictures, strict=True)

    def _save(self, batch: _Finished) -> None:
        for job, picture in batch.pictures:
            try:
                text = None
                if not self._settings.no_metadata:
                    text = infotext(job, picture, batch.hashes, batch.dtype, self._ordered.warn)
                if self._settings.animate:
                    self._animation.add(job, picture, text)
                delivered = self._delivery.deliver(job, picture, text)
            except SdcliError as error:
                self._ordered.failure(error, job)
            else:
                self._ordered.saved(job, delivered)

    def _fail(self, jobs: Sequence[Job], error: SdcliError) -> None:
        for job in jobs:
            self._ordered.failure(error, job)
