"""Owns what becomes of a finished picture: its text, its file, its place in an animation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sdcli.cli import console as ui
from sdcli.errors import ModelError
from sdcli.images.formats import encode, encode_animation
from sdcli.models.hashes import Told
from sdcli.models.library import in_texts
from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings
from sdcli.sources.infotext import write_text
from sdcli.sources.infotext.keys import COARSE, NUMBER_FORMAT, OUTCOMES

from .journal import Journal, Keys
from .output import Target, template_values
from .plan import Job, Plan

if TYPE_CHECKING:
    from sdcli.engine import Picture


@dataclass(frozen=True, slots=True)
class Destination:
    """Where pictures go: files by a template, or (target None) the bytes of one to stdout.

    `places` are the jobs' among those of their folder, by number.
    """

    target: Target | None
    settings: Settings
    places: Mapping[int, int]
    journal: Journal | None = None
    keys: Keys | None = None
    frames: dict[int, tuple[Picture, str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """For all jobs of a plan, which keep their order in the files' numbers."""
        places = {}
        if plan.target:
            values = [_values(job, job.request) for job in plan.jobs]
            numbers = [job.number for job in plan.jobs]
            places = dict(zip(numbers, plan.target.places(values), strict=True))
        return cls(
            plan.target,
            plan.settings,
            places,
            plan.journal,
            Keys(plan.jobs) if plan.journal else None,
        )

    def deliver(
        self, job: Job, picture: Picture, hashes: Told, facts: Mapping[str, str]
    ) -> Picture:
        """Save the picture and return it with its path; its text has the `facts` of its making.

        Raises OutputError, UsageError.
        """
        text = None if self.settings.no_metadata else _text(job, picture, hashes, facts)
        if self.settings.animate:
            self.frames[job.number] = picture, text
        data = encode(picture.image, text, self.settings.file_format, quality=self.settings.quality)
        if self.target is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return picture
        values = _values(job, picture.request)

        def before(path: Path) -> None:
            if self.journal and self.keys:
                self.journal.begin(self.keys.of(job), path, data)

        path = self.target.save(data, values, self.places[job.number], before=before)
        return replace(picture, path=path)

    def name_of(self, job: Job) -> str:
        """The path that the job's picture would get if it were saved now; - for stdout."""
        if self.target is None:
            return "-"
        request = job.request
        native = job.folder.native_size
        size = {"width": request.width or native, "height": request.height or native}
        values = _values(job, request.model_copy(update=size))
        return str(self.target.name(values, self.places[job.number]))

    def animate(self) -> Path | None:
        """Save what was made as one animation, if that is asked for. Raises OutputError."""
        if not self.frames or self.settings.animate is None:
            return None
        pictures = [self.frames[number] for number in sorted(self.frames)]
        ending = Path(self.settings.animate).suffix.lower()
        images = [picture.image for picture, _ in pictures]
        data = encode_animation(images, pictures[0][1], ending)
        overwrite = self.settings.overwrite
        target = Target.at(self.settings.animate, overwrite=overwrite, flag="--animate")
        return target.save(data, {})


def _values(job: Job, request: GenerationRequest) -> dict[str, object]:
    model = request.model.rstrip("/").rpartition("/")[2]
    return template_values(request, model=model, row=job.row, preset=job.preset)


def facts_of(dtype: str) -> Mapping[str, str]:
    """What a picture's text has of how it was made: the number format, where that is a coarse one.

    A1111's own, fp16 on a GPU, is not named.
    """
    return {NUMBER_FORMAT: dtype} if dtype == COARSE else {}


def _text(job: Job, picture: Picture, hashes: Told, facts: Mapping[str, str]) -> str:
    request = picture.request
    names = [tag.name for tag in request.tags]
    names += in_texts(hashes.embeddings, request.texts)
    outcome = {**job.told, **_outcome(picture), **facts}
    try:
        known = hashes.text(names)
    except ModelError as error:  # a file that went away must not take the picture along
        ui.warn(f"{error.message}: the picture's text has no hashes")
        known = {}
    return write_text(request, outcome, hashes=known)


def _outcome(picture: Picture) -> dict[str, str]:
    """What only a sampler that chooses its own steps finds out."""
    if picture.tries is None:
        return {}
    counts = (picture.evaluations, picture.tries.accepted, picture.tries.rejected)
    return dict(zip(OUTCOMES, map(str, counts), strict=True))
