"""`--grid`: a run's pictures on one labelled sheet, and a table of them as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sdcli.errors import OutputError
from sdcli.files import write_atomically
from sdcli.images.png import write_png
from sdcli.sources.sweeps import REPLACED

from .plan import Job
from .protocols import PictureResult

_LARGEST_TILE = 512  # pixels of a picture's longer side
_LARGEST_SHEET = 16_000
_GAP, _HEADING = 8, 150
_LONGEST_LABEL = 100  # characters of a prompt
_INK, _PAPER = "#222222", "white"


@dataclass(frozen=True, slots=True)
class _Shown:
    column: str
    row: str
    image: Image.Image


@dataclass(slots=True)
class Grid:
    """What is gathered for a sheet while pictures are made.

    Where something was swept its first values are the columns; all else that differs is the rows.
    """

    _pictures: list[tuple[Job, PictureResult, Image.Image]] = field(default_factory=list)

    def add(self, job: Job, picture: PictureResult) -> None:
        """Take a picture in, as small as it will be shown."""
        small = picture.image
        if max(small.size) > _LARGEST_TILE:
            small = ImageOps.contain(small, (_LARGEST_TILE, _LARGEST_TILE))
        self._pictures.append((job, picture, small))

    def save(self) -> list[Path]:
        """Write grid.png and results.csv beside the first picture; the paths. Raises OutputError.

        Where such files are there already, the new ones are numbered.
        """
        if not self._pictures:
            return []
        paths = [picture.path for _, picture, _ in self._pictures if picture.path]
        folder = paths[0].parent if paths else Path()
        return [
            _saved(folder, "grid", ".png", self._sheet()),
            _saved(folder, "results", ".csv", self._table().encode()),
        ]

    @property
    def _swept(self) -> list[str]:
        """The keys that were."""
        return [sweep.key for sweep in self._pictures[0][0].cell.sweeps]

    @property
    def _others(self) -> list[str]:
        """What else differs from picture to picture."""
        words = {"prompt", REPLACED} & {*self._swept}
        return [
            key
            for key in ("prompt", "seed")
            if key not in self._swept
            and not (key == "prompt" and words)
            and len({getattr(picture.request, key) for _, picture, _ in self._pictures}) > 1
        ]

    def _shown(self) -> list[_Shown]:
        shown = []
        counts: Counter[tuple[str, ...]] = Counter()
        for job, picture, small in self._pictures:
            column, *row = job.cell.labels or ("",)
            for key in self._others:
                value = getattr(picture.request, key)
                row.append(f"seed {value}" if key == "seed" else shorten(value, _LONGEST_LABEL))
            # What differs in anything else has a row of its own, too: no picture covers another.
            same = (column, *row)
            counts[same] += 1
            row += [f"({counts[same]})"] if counts[same] > 1 else []
            shown.append(_Shown(column, ", ".join(row), small))
        return shown

    def _sheet(self) -> bytes:
        shown = self._shown()
        if self._swept:
            columns = list(dict.fromkeys(each.column for each in shown))
            rows = list(dict.fromkeys(each.row for each in shown))
            at = [(rows.index(each.row), columns.index(each.column)) for each in shown]
        else:  # as square as may be
            wide = math.ceil(math.sqrt(len(shown)))
            columns, rows = [""] * wide, [""] * math.ceil(len(shown) / wide)
            at = [divmod(place, wide) for place in range(len(shown))]
        widest = max(each.image.width for each in shown)
        highest = max(each.image.height for each in shown)
        room = (_LARGEST_SHEET - _HEADING) / max(len(columns), len(rows)) - _GAP
        scale = min(1.0, room / max(widest, highest))
        tile = (max(1, int(widest * scale)), max(1, int(highest * scale)))
        font = ImageFont.load_default(max(12, min(20, tile[0] // 12)))
        pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        heads = [_wrapped(pen, text, tile[0], font) for text in columns]
        sides = [_wrapped(pen, text, _HEADING - 2 * _GAP, font) for text in rows]
        top = _GAP + max(_height(pen, text, font) for text in heads)
        left = _HEADING if any(rows) else _GAP
        size = (left + len(columns) * (tile[0] + _GAP), top + _GAP + len(rows) * (tile[1] + _GAP))
        page = Image.new("RGB", size, _PAPER)
        pen = ImageDraw.Draw(page)
        for column, text in enumerate(heads):
            middle = left + column * (tile[0] + _GAP) + tile[0] // 2
            pen.multiline_text((middle, top), text, _INK, font, anchor="md", align="center")
        for row, text in enumerate(sides):
            middle = top + _GAP + row * (tile[1] + _GAP) + tile[1] // 2
            pen.multiline_text((left // 2, middle), text, _INK, font, anchor="mm", align="center")
        for each, (row, column) in zip(shown, at, strict=True):
            image = ImageOps.contain(each.image, tile)
            place = (left + column * (tile[0] + _GAP), top + _GAP + row * (tile[1] + _GAP))
            page.paste(image, place)
        return write_png(page, None)

    def _table(self) -> str:
        # The seed is a fact of every picture, the prompt of those that differ in it.
        others = [key for key in self._others if key != "seed"]
        others += ["seed"] if "seed" not in self._swept else []
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["path", *self._swept, *others, "evals", "seconds"])
        for job, picture, _ in self._pictures:
            own = [getattr(picture.request, key) for key in others]
            facts = (picture.evaluations, f"{picture.seconds:.3f}")
            writer.writerow([picture.path, *job.cell.chosen, *own, *facts])
        return out.getvalue()


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _wrapped(pen: ImageDraw.ImageDraw, text: str, width: int, font: _Font) -> str:
    """Wrap the text to that width, except for words that are wider."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pen.textlength(longer, font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _height(pen: ImageDraw.ImageDraw, text: str, font: _Font) -> int:
    return math.ceil(pen.multiline_textbbox((0, 0), text, font)[3]) if text else 0


def _saved(folder: Path, name: str, ending: str, data: bytes) -> Path:
    number = 1
    while True:
        path = folder / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        try:
            write_atomically(path, data, overwrite=False)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        else:
            return path
