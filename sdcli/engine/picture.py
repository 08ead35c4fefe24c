"""What a run gives: a Step on its way, a Preview, and a Picture at its end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL.Image import Image

from sdcli.errors import OutputError, UsageError
from sdcli.files import in_folder, write_atomically
from sdcli.images.formats import encode, format_of
from sdcli.models.hashes import HashJob
from sdcli.request import GenerationRequest
from sdcli.request.infotext import outcome, write_text


@dataclass(frozen=True, slots=True)
class Tries:
    """The steps of a sampler that chooses them: those taken, and those taken back."""

    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One result with its own recipe: `request` makes it again. `seconds` is its share of a run.

    `tries` is None for a sampler that does not choose its own steps. `dtype` is the number format
    that it was made in, and `hashes` those of the files that made it, where they are known.
    """

    image: Image
    request: GenerationRequest
    seconds: float
    evaluations: int
    path: Path | None = None
    tries: Tries | None = None
    dtype: str = ""
    hashes: HashJob | None = field(default=None, repr=False, compare=False)

    @property
    def infotext(self) -> str:
        """The settings as A1111 writes them, and as the command line does into its files.

        Raises ModelError for a file that went away before it was hashed.
        """
        request, hashes = self.request, {}
        if self.hashes:
            hashes = self.hashes.text([tag.name for tag in request.tags], request.texts)
        facts = outcome(dtype=self.dtype, evaluations=self.evaluations, tries=self.tries)
        return write_text(request, facts, hashes=hashes)

    def save(
        self, path: str | os.PathLike[str], *, quality: int = 90, overwrite: bool = True
    ) -> Picture:
        """Save the picture with its settings inside; returns it with its path.

        The path's ending chooses PNG, JPEG or WebP; `quality` (1 to 100) is for the last two.
        Folders are made. Raises UsageError for another ending, and for a file that exists unless
        `overwrite`; OutputError where nothing can be written.
        """
        target = Path(path)
        kind = format_of(target.name)
        if kind is None:
            raise UsageError(f"{target} has no picture's extension", "use .png, .jpg or .webp")
        data = encode(self.image, self.infotext, kind, quality=quality)
        try:
            in_folder(target.parent, lambda: write_atomically(target, data, overwrite=overwrite))
        except OSError as error:
            if isinstance(error, FileExistsError) and target.exists():
                raise UsageError(f"{target} exists", "pass overwrite=True to replace it") from error
            raise OutputError(f"cannot write {target}: {error.strerror}") from error
        return replace(self, path=target)

    def _repr_png_(self) -> bytes:
        """Return the picture's PNG, which notebooks show."""
        return encode(self.image, self.infotext, "png", quality=90)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: `index` of `steps`, σ of the last model call, model calls so far.

    A run that chooses its own steps has no number of them; `done` is its share of the way, 0 to 1.
    """

    index: int
    steps: int | None
    sigma: float
    evaluations: int
    done: float


@dataclass(frozen=True, slots=True)
class Preview:
    """What the model believes of the first picture of a batch after a step."""

    image: Image
    step: Step
