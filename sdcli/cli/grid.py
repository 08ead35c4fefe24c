"""Owns `--grid`: a run's pictures on one labelled sheet, and a table of them as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sdcli.errors import OutputError
from sdcli.files import write_atomically
from sdcli.sweeps import Cell

if TYPE_CHECKING:
    from sdcli.engine import Picture

_LARGEST_TILE = 512  # pixels of a picture's longer side
_LARGEST_SHEET = 16_000
_GAP, _HEADING = 8, 150
_INK, _PAPER = "#222222", "white"


@dataclass(frozen=True, slots=True)
class _Shown:
    column: str
    row: str
    image: Image.Image


@dataclass(slots=True)
class Grid:
    """What is gathered for a sheet while pictures are made. `cells` are the jobs' own, if swept."""

    cells: Sequence[Cell]
    _pictures: list[tuple[int, Picture, Image.Image]] = field(default_factory=list)

    def add(self, number: int, picture: Picture) -> None:
        """Take a picture in, as small as it will be shown."""
        small = picture.image
        if max(small.size) > _LARGEST_TILE:
            small = ImageOps.contain(small, (_LARGEST_TILE, _LARGEST_TILE))
        self._pictures.append((number, picture, small))

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

    def _shown(self) -> list[_Shown]:
        seeds = {picture.request.seed for _, picture, _ in self._pictures}
        found = []
        for number, picture, small in self._pictures:
            labels = list(self.cells[number - 1].labels) if self.cells else [""]
            if len(seeds) > 1 and not any("seed" in label for label in labels):
                labels.append(f"seed {picture.request.seed}")
            found.append(_Shown(labels[0], ", ".join(labels[1:]), small))
        return found

    def _sheet(self) -> bytes:
        shown = self._shown()
        if self.cells:
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
        out = io.BytesIO()
        page.save(out, "PNG")
        return out.getvalue()

    def _table(self) -> str:
        keys = [sweep.key for sweep in self.cells[0].sweeps] if self.cells else []
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["path", *keys, *(() if "seed" in keys else ("seed",)), "evals", "seconds"])
        for number, picture, _ in self._pictures:
            chosen = self.cells[number - 1].chosen if self.cells else ()
            seed = () if "seed" in keys else (picture.request.seed,)
            facts = (picture.evaluations, f"{picture.seconds:.3f}")
            writer.writerow([picture.path, *chosen, *seed, *facts])
        return out.getvalue()


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _wrapped(pen: ImageDraw.ImageDraw, text: str, width: int, font: _Font) -> str:
    """In lines no wider than that, where words are not wider themselves."""
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
