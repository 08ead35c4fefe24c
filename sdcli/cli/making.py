"""Owns making pictures: batches through the engine, each saved as soon as it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdcli.errors import ModelError, OutOfMemory, SdcliError, UsageError
from sdcli.metadata import write_text
from sdcli.models.hashes import Told
from sdcli.models.library import in_texts
from sdcli.output import Target, template_values
from sdcli.picture_files import encode, encode_animation
from sdcli.request import GenerationRequest
from sdcli.settings import Settings
from sdcli.text_rows import OUTCOMES

from . import ui
from .progress import Reporter
from .wording import Wording

if TYPE_CHECKING:
    from sdcli.engine import Engine, Picture

_PIXELS_AT_ONCE = {"cuda": 8 * 1024 * 1024, "mps": 1024 * 1024, "cpu": 1024 * 1024}
_MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Destination:
    """Where pictures go: files by a template, or (target None) the bytes of one to stdout."""

    target: Target | None
    settings: Settings
    preset: str
    hashes: Told
    wording: Wording
    frames: list[Picture] = field(default_factory=list)

    def deliver(self, picture: Picture, *, row: int) -> Picture:
        """Save the picture and return it with its path. Raises OutputError, UsageError."""
        text = None
        if not self.settings.no_metadata:
            text = self._text(picture)
        if self.settings.animate:
            self.frames.append(picture)
        data = encode(picture.image, text, self.settings.file_format, quality=self.settings.quality)
        if self.target is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return picture
        model = picture.request.model.rstrip("/").rpartition("/")[2]
        values = template_values(picture.request, model=model, row=row, preset=self.preset)
        return replace(picture, path=self.target.save(data, values))

    def animate(self) -> Path | None:
        """Save what was made as one animation, if that is asked for. Raises OutputError."""
        if not self.frames or self.settings.animate is None:
            return None
        ending = Path(self.settings.animate).suffix.lower()
        text = None if self.settings.no_metadata else self._text(self.frames[0])
        data = encode_animation([frame.image for frame in self.frames], text, ending)
        overwrite = self.settings.overwrite
        target = Target.at(self.settings.animate, overwrite=overwrite, flag="--animate")
        return target.save(data, {})

    def _text(self, picture: Picture) -> str:
        request = picture.request
        names = [tag.name for tag in request.tags]
        names += in_texts(self.hashes.embeddings, request.texts)
        outcome = self.wording.told(request) | _outcome(picture)
        try:
            hashes = self.hashes.text(names)
        except ModelError as error:  # a file that went away must not take the picture along
            ui.warn(f"{error.message}: the picture's text has no hashes")
            hashes = {}
        return write_text(request, outcome, hashes=hashes)


def make(
    engine: Engine,
    requests: Sequence[GenerationRequest],
    destination: Destination,
    reporter: Reporter,
) -> int:
    """Make every request's picture; returns the exit code, 0 if none failed and 1 otherwise.

    A failure is reported and the others go on; what does not fit into memory is tried again with
    half as many at once, which changes no picture beyond rounding. An interruption ends the run
    with what is finished kept and counted, and is raised on.
    """
    placement = engine.placement
    reporter.start(
        jobs=len(requests),
        model=engine.folder.name,
        device=placement.device_name,
        dtype=placement.dtype_name,
    )
    started = time.monotonic()
    made = failed = 0
    alike = len({(each.prompt, each.negative_prompt, each.init_img) for each in requests}) == 1
    try:
        most = len(requests)  # at once, after running out of memory
        jobs = list(enumerate(requests, start=1))
        while jobs:
            size = batch_size(engine, destination.settings, jobs[0][1])
            whole = jobs[0][1].upscale is None  # else a picture's tiles are the batch
            batch, jobs = _alike(jobs, min(size, most) if whole else 1)
            first = batch[0][0]
            try:
                pictures = _run(engine, [request for _, request in batch], first, reporter, size)
            except SdcliError as error:
                if isinstance(error, UsageError) and alike and not made + failed:
                    raise  # all pictures share what is wrong
                if isinstance(error, OutOfMemory) and len(batch) > 1:
                    most = len(batch) // 2
                    reporter.warning(f"{error.message}: going on with {most} at once")
                    jobs = [*batch, *jobs]
                    continue
                failed += len(batch)
                for job, _ in batch:
                    reporter.error(error, job=job)
                if isinstance(error, OutOfMemory) and alike:
                    break  # the next picture is no smaller
                continue
            for job, picture in enumerate(pictures, start=first):
                try:
                    reporter.picture(job, destination.deliver(picture, row=job))
                    made += 1
                except SdcliError as error:
                    failed += 1
                    reporter.error(error, job=job)
        try:
            if path := destination.animate():
                reporter.animation(path, frames=len(destination.frames))
        except SdcliError as error:
            failed += 1
            reporter.error(error, job=len(requests))
    finally:
        reporter.end(
            made=made,
            failed=failed,
            skipped=len(requests) - made - failed,
            seconds=time.monotonic() - started,
        )
    return 0 if made == len(requests) and not failed else 1


_Job = tuple[int, GenerationRequest]


def _alike(jobs: list[_Job], size: int) -> tuple[list[_Job], list[_Job]]:
    """The first jobs that can be made at once, at most `size`; the others."""
    shared = [request.shared for _, request in jobs[:size]]
    count = next((k for k, each in enumerate(shared) if each != shared[0]), len(shared))
    return jobs[:count], jobs[count:]


def _outcome(picture: Picture) -> dict[str, str]:
    """What only a sampler that chooses its own steps finds out."""
    if picture.tries is None:
        return {}
    counts = (picture.evaluations, picture.tries.accepted, picture.tries.rejected)
    return dict(zip(OUTCOMES, map(str, counts), strict=True))


def batch_size(engine: Engine, settings: Settings, request: GenerationRequest) -> int:
    """How many pictures to make at once: as asked, or as many as are surely worth it.

    A sampler that chooses its own steps does so for each picture alone.
    """
    if request.adaptive:
        return 1
    if settings.batch_size != "auto":
        return settings.batch_size
    whole = engine.complete(request).passes[-1]
    pixels = (whole.width or 1) * (whole.height or 1)
    room = _PIXELS_AT_ONCE[engine.placement.device.type] // pixels
    return max(1, min(_MOST_AT_ONCE, room))


def _run(
    engine: Engine,
    requests: Sequence[GenerationRequest],
    job: int,
    reporter: Reporter,
    at_once: int,
) -> list[Picture]:
    run = engine.start(requests, tiles_at_once=at_once, say=reporter.warning)
    for step in run:
        reporter.step(job, len(requests), step)
    return run.pictures()
