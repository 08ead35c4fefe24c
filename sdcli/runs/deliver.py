"""What becomes of a finished picture: its text, its file, its place in an animation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sdcli.errors import ModelError, OutputError
from sdcli.images.formats import encode, encode_animation
from sdcli.models.hashes import HashJob
from sdcli.notices import Say
from sdcli.request import GenerationRequest
from sdcli.request.infotext import outcome, write_text
from sdcli.request.settings import Settings

from .journal import Journal, Keys
from .output import Target, template_values
from .plan import Job, Plan
from .protocols import PictureResult


class Delivery(Protocol):
    """Where the pictures of a plan go."""

    def deliver(self, job: Job, picture: PictureResult, text: str | None) -> PictureResult:
        """Deliver a picture with its text, and return it as it then is. Raises SdcliError."""


@dataclass(frozen=True, slots=True)
class FileDelivery:
    """Files by a template. `places` are the jobs' among those of their folder, by number."""

    target: Target
    settings: Settings
    places: Mapping[int, int]
    journal: Journal | None
    keys: Keys

    def deliver(self, job: Job, picture: PictureResult, text: str | None) -> PictureResult:
        """Save the picture and return it with its path. Raises OutputError, UsageError."""
        data = encode(picture.image, text, self.settings.file_format, quality=self.settings.quality)

        def before(path: Path) -> None:
            if self.journal:
                self.journal.begin(self.keys.of(job), path, data)

        values = _values(job, picture.request)
        path = self.target.save(data, values, self.places[job.number], before=before)
        return replace(picture, path=path)

    def name_of(self, job: Job) -> str:
        """Return the path that the job's picture would get if it were saved now."""
        request, native = job.request, job.model.native_size
        size = {"width": request.width or native, "height": request.height or native}
        values = _values(job, request.model_copy(update=size))
        return str(self.target.name(values, self.places[job.number]))


@dataclass(frozen=True, slots=True)
class StreamDelivery:
    """The bytes of the one picture, to whoever `write`s them."""

    settings: Settings
    write: Callable[[bytes], None]

    def deliver(self, job: Job, picture: PictureResult, text: str | None) -> PictureResult:
        """Write the picture's file. Raises UsageError."""
        settings = self.settings
        self.write(encode(picture.image, text, settings.file_format, quality=settings.quality))
        return picture


def file_delivery(plan: Plan, target: Target) -> FileDelivery:
    """Return that of all jobs of a plan, which keep their order in the files' numbers."""
    values = [_values(job, job.request) for job in plan.jobs]
    numbers = [job.number for job in plan.jobs]
    places = dict(zip(numbers, target.places(values), strict=True))
    return FileDelivery(target, plan.settings, places, plan.journal, Keys(plan.jobs))


def delivery_of(plan: Plan, write: Callable[[bytes], None] | None) -> Delivery:
    """Return where the plan's pictures go: files, or the bytes of one through `write`."""
    if plan.target is not None:
        return file_delivery(plan, plan.target)
    if write is None:
        raise OutputError("--output: there is no stdout here", "name a file or a folder")
    return StreamDelivery(plan.settings, write)


def _values(job: Job, request: GenerationRequest) -> dict[str, object]:
    model = request.model.rstrip("/").rpartition("/")[2]
    return template_values(request, model=model, row=job.row, preset=job.preset)


@dataclass(slots=True)
class Animation:
    """The frames of a run, for a file that shows them in turn."""

    _frames: dict[int, tuple[PictureResult, str | None]] = field(default_factory=dict)

    def add(self, job: Job, picture: PictureResult, text: str | None) -> None:
        """Take a frame in."""
        self._frames[job.number] = picture, text

    def __len__(self) -> int:
        return len(self._frames)

    def save(self, name: str, *, overwrite: bool) -> Path:
        """Save the frames in the jobs' order. Raises OutputError."""
        pictures = [self._frames[number] for number in sorted(self._frames)]
        images = [picture.image for picture, _ in pictures]
        data = encode_animation(images, pictures[0][1], Path(name).suffix.lower())
        return Target.at(name, overwrite=overwrite, flag="--animate").save(data, {})


def infotext(job: Job, picture: PictureResult, hashes: HashJob, dtype: str, warn: Say) -> str:
    """Write the text that goes into the file of a picture that was made in that format."""
    request = picture.request
    facts = outcome(dtype=dtype, evaluations=picture.evaluations, tries=picture.tries)
    try:
        known = hashes.text([tag.name for tag in request.tags], request.texts)
    except ModelError as error:  # a file that went away must not take the picture along
        warn(f"{error.message}: the picture's text has no hashes")
        known = {}
    return write_text(request, {**job.templates, **facts}, hashes=known)
