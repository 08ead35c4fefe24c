"""Owns making pictures: jobs in batches through the engine, each saved while the next are made."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sdcli.errors import OutOfMemory, SdcliError, UsageError
from sdcli.models.hashes import Told
from sdcli.request import GenerationRequest

from .batches import batch_size, by_model, groups
from .costs import Speeds, Timing
from .deliver import Destination, facts_of
from .engines import Loaded, hashes_of
from .events import Reporter
from .ordered import After, InOrder
from .plan import Job, Plan
from .preview import Previews

if TYPE_CHECKING:
    from sdcli.engine import Engine, Picture, Run, Tiled, TwoPasses

_WAITING = 2  # finished batches that are not saved yet: memory for no more


def make(
    plans: Iterable[Plan | SdcliError],
    reporter: Reporter,
    *,
    rows: bool = False,
    after: After | None = None,
    finish: Callable[[], Sequence[Path]] = tuple,
) -> int:
    """Make every job's picture, plan by plan; returns the exit code, 0 if none failed, else 1.

    A failure is reported and the others go on, as does an error among the plans; what does not fit
    into memory is tried again with half as many at once, which changes no picture beyond rounding.
    An interruption ends the run with what is finished kept and counted, and is raised on.

    Of jobs that are done already none is told. Where `rows` have a meaning, their ends are told.
    `after` is called with each picture that has been told of, in the jobs' order, and `finish` when
    all are made, for the files that it writes of them.
    """
    told = InOrder(reporter, rows=rows, after=after)
    started = time.monotonic()
    making: _Making | None = None
    skipped = 0
    try:
        with ThreadPoolExecutor(1, "saving") as worker:
            for plan in plans:
                if isinstance(plan, SdcliError):
                    told.fault(plan)
                    continue
                skipped += len(plan.jobs) - len(plan.left)
                if not plan.left:
                    continue
                making = making or _Making(plan, told)
                making.make(plan, worker)
        if making:
            making.end(finish)
    finally:
        try:
            told.rest()
        finally:
            if told.begun or told.failed or skipped:  # else there was nothing to begin with
                reporter.end(
                    made=told.made,
                    failed=told.failed,
                    never=told.never,
                    skipped=skipped,
                    seconds=time.monotonic() - started,
                )
    return 1 if told.failed or told.never else 0


_COMPILED = ", compiled"


def _way(engine: Engine, request: GenerationRequest) -> str:
    """What else a picture's cost depends on."""
    placement = engine.placement
    alone = ", unguided" if request.cfg_scale == 1 else ""
    compiled = _COMPILED if engine.compiled else ""
    return f"{placement.device_name}, {placement.dtype_name}{alone}{compiled}"


class _Making:
    """The work on one plan: the engine makes a batch while the one before it is saved."""

    def __init__(self, plan: Plan, told: InOrder) -> None:
        self._settings = plan.settings
        self._loaded = Loaded(plan.settings)
        self._told = told
        told.show(plan)
        self._begun = False
        self._most = sys.maxsize  # at once, after running out of memory
        self._alone: set[int] = set()  # jobs of a batch that failed: perhaps through one of them
        self._saving: deque[Future[None]] = deque()
        self._tiling = False
        self._previews = Previews(plan.settings)
        self._speeds = Speeds.read()

    def make(self, plan: Plan, worker: ThreadPoolExecutor) -> None:
        """Make what is left of a plan, and save it. Raises SdcliError if all would be refused."""
        self._destination = Destination.of(plan)
        self._told.expect(plan.left)
        requests = [job.request for job in plan.left]
        # All pictures then share what is wrong with one.
        self._alike = len({(r.prompt, r.negative_prompt, r.init_img) for r in requests}) == 1
        for jobs in by_model(plan.left):
            self._make_of_a_model(jobs, worker)
        self._wait()
        self._told.rest()

    def end(self, finish: Callable[[], Sequence[Path]]) -> None:
        """Save what is made of all pictures, and remember how fast that was."""
        try:
            for sheet in finish():
                self._told.sheet(sheet)
            if path := self._destination.animate():
                self._told.animation(path, frames=len(self._destination.frames))
        except SdcliError as error:
            self._told.fault(error)
        self._speeds.keep()

    def _make_of_a_model(self, jobs: Sequence[Job], worker: ThreadPoolExecutor) -> None:
        folder, dtype = jobs[0].folder, jobs[0].dtype
        if self._loaded.other_than(folder, dtype):
            self._wait()  # for what the model that goes has to decode
        hashes = hashes_of(jobs, self._settings)  # worked out while it is loaded
        try:
            engine = self._loaded.of(folder, dtype)
        except SdcliError as error:
            if not self._begun:
                raise  # whatever is wrong with it, nothing was made
            self._fail(jobs, error)
            return
        if not self._begun:
            self._begun = True
            placement = engine.placement
            self._told.start(
                model=folder.name, device=placement.device_name, dtype=placement.dtype_name
            )
        for group in groups(jobs):
            self._make_alike(group, engine, hashes, worker)

    def _make_alike(
        self, group: Sequence[Job], engine: Engine, hashes: Told, worker: ThreadPoolExecutor
    ) -> None:
        """Make the pictures of jobs that are alike. Raises UsageError if all would be refused."""
        request, folder = group[0].request, group[0].folder
        like = folder.name, request, folder.native_size
        way = _way(engine, request)
        jobs = list(group)
        while jobs:
            costs = self._speeds.costs(*like, way)
            size = batch_size(engine, self._settings, request, left=len(jobs), costs=costs)
            together = request.upscale is None and jobs[0].number not in self._alone
            count = min(size, self._most) if together else 1
            batch, rest = jobs[:count], jobs[count:]
            if self._needs_vae(request):
                self._wait()
            timing = Timing()
            try:
                run = engine.start(
                    [job.request for job in batch], tiles_at_once=size, say=self._told.warning
                )
                for step in run:
                    timing.step(step)
                    self._told.step(batch[0].number, len(batch), step)
                    if self._previews.due(step):
                        self._wait()  # for what the VAE has to decode
                        self._previews.save(run, self._told.warning)
            except SdcliError as error:
                some = self._told.made or self._told.failed or self._saving
                if isinstance(error, UsageError) and self._alike and not some:
                    raise
                if isinstance(error, OutOfMemory) and len(batch) > 1:
                    self._most = len(batch) // 2
                    self._told.warning(f"{error.message}: going on with {self._most} at once")
                    continue
                if len(batch) > 1 and not isinstance(error, UsageError):
                    self._told.warning(f"{error.message}: making the {len(batch)} one by one")
                    self._alone.update(job.number for job in batch)
                    continue
                self._fail(batch, error)
                if isinstance(error, OutOfMemory) and self._alike:
                    return  # the next picture is no smaller
            else:
                if request.upscale is None and not request.hires:
                    self._learn(timing, like, way, len(batch))
                self._wait(_WAITING - 1)
                facts = facts_of(engine.placement.dtype_name)
                decoded = self._decoded(run, batch)
                pictures = decoded if engine.decodes_aside else list(decoded)
                self._saving.append(worker.submit(self._save, pictures, hashes, facts))
            jobs = rest

    def _learn(
        self, timing: Timing, like: tuple[str, GenerationRequest, int], way: str, count: int
    ) -> None:
        """Know how fast a batch was, and tell what compiling has cost in it."""
        if _COMPILED in way:
            before = self._speeds.costs(*like, way.replace(_COMPILED, "")).get(count)
            if said := timing.payback(before and before * count):
                self._told.warning(said)
        if timing.a_call is not None:
            self._speeds.learn(*like, way, timing.a_call / count, at_once=count)

    def _needs_vae(self, request: GenerationRequest) -> bool:
        """Whether the VAE that decodes the last batch is to do something else in this one."""
        other = request.tiling != self._tiling
        self._tiling = request.tiling
        whole = request.init_img is None and not request.hires
        return other or not whole or self._settings.offload != "none"

    def _wait(self, most: int = 0) -> None:
        """Until at most so many batches are not saved. Raises what was no fault of a picture."""
        while len(self._saving) > most:
            self._saving.popleft().result()

    def _decoded(
        self, run: Run | TwoPasses | Tiled, batch: Sequence[Job]
    ) -> Iterator[tuple[Job, Picture]]:
        """Each job with its picture, decoded by whoever asks for the first.

        Of a batch that cannot be decoded there is none, and its jobs have failed.
        """
        try:
            pictures = run.pictures()
        except SdcliError as error:
            self._fail(batch, error)
        else:
            yield from zip(batch, pictures, strict=True)

    def _save(
        self,
        pictures: Iterable[tuple[Job, Picture]],
        hashes: Told,
        facts: Mapping[str, str],
    ) -> None:
        for job, picture in pictures:
            try:
                delivered = self._destination.deliver(job, picture, hashes, facts)
            except SdcliError as error:
                self._told.error(error, job)
            else:
                self._told.picture(job, delivered)

    def _fail(self, jobs: Sequence[Job], error: SdcliError) -> None:
        for job in jobs:
            self._told.error(error, job)
