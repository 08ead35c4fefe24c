"""`--preview`: a file that shows the picture so far, made anew every few steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdcli.errors import UsageError
from sdcli.files import write_atomically
from sdcli.images.formats import encode, format_of, read_file
from sdcli.request.settings import Settings

from .output import Target
from .protocols import PictureRun, PictureStep

_TEXT = "a preview by sdcli"
"""Stands in each, so that the next run knows that it may be replaced."""


def check_preview(settings: Settings) -> None:
    """Raise UsageError where no preview can be written, or what is there is none."""
    if settings.preview is None:
        return
    replaced = settings.overwrite or _is_preview(Path(settings.preview))
    Target.at(settings.preview, overwrite=replaced, flag="--preview")


def _is_preview(path: Path) -> bool:
    try:
        return read_file(path) == _TEXT
    except UsageError:
        return False


class Previews:
    """Those of a run as its settings want them: of the first picture of each batch."""

    def __init__(self, settings: Settings) -> None:
        self._path = Path(settings.preview) if settings.preview else None
        self._every = settings.preview_every
        self._quality = settings.quality
        self._last = 0

    def due(self, step: PictureStep) -> bool:
        """Return whether one is to be saved after that step, which may be several at once."""
        if self._path is None:
            return False
        before = self._last if self._last < step.index else 0  # or another batch has begun
        self._last = step.index
        return step.index // self._every > before // self._every

    def save(self, run: PictureRun, say: Callable[[str], None]) -> None:
        """Replace the last one by what the run shows now; one that cannot be is the last, and told.

        No picture fails for its preview.
        """
        image = run.preview()
        if image is None or self._path is None:
            return
        kind = format_of(self._path.name) or "png"
        data = encode(image, _TEXT, kind, quality=self._quality)
        try:
            write_atomically(self._path, data, overwrite=True)
        except OSError as error:
            say(f"cannot write {self._path}: {error.strerror}; no more previews are written")
            self._path = None
