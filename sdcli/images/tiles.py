"""How a large picture is cut into overlapping tiles, and put together again without seams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles over a picture, both sizes (width, height) in pixels, a tile no larger than it.

    Neighbors overlap by `overlap` pixels or more, as evenly as A1111's SD upscale lays them.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    overlap: int

    @property
    def columns(self) -> list[int]:
        """The left edges of the tiles."""
        return self._edges(self.size[0], self.tile[0])

    @property
    def rows(self) -> list[int]:
        """The upper edges of the tiles."""
        return self._edges(self.size[1], self.tile[1])

    def _edges(self, length: int, side: int) -> list[int]:
        count = math.ceil((length - self.overlap) / (side - self.overlap))
        return [place * (length - side) // max(1, count - 1) for place in range(count)]

    def cut(self, image: Image) -> list[Image]:
        """Return the tiles of a picture, row by row."""
        width, height = self.tile
        return [
            image.crop((left, top, left + width, top + height))
            for top in self.rows
            for left in self.columns
        ]

    def joined(self, tiles: Sequence[Image]) -> Image:
        """Join the tiles, row by row, into one picture; overlaps fade into each other."""
        from PIL import Image

        columns, rows = self.columns, self.rows
        (width, height), whole = self.tile, self.size[0]
        page = Image.new("RGB", self.size)
        for row, top in enumerate(rows):
            strip = Image.new("RGB", (whole, height))
            for column, left in enumerate(columns):
                tile = tiles[row * len(columns) + column]
                over = columns[column - 1] + width - left if column else 0
                strip.paste(tile, (left, 0), _rising(width, over).resize(self.tile))
            over = rows[row - 1] + height - top if row else 0
            fade = _rising(height, over).transpose(Image.Transpose.TRANSPOSE)
            page.paste(strip, (0, top), fade.resize(strip.size))
        return page


def _rising(length: int, over: int) -> Image:
    """Return a row of weights, L, that rises from 0 to 255 over its first `over` pixels."""
    from PIL import Image

    levels = [k * 255 // over for k in range(over)] + [255] * (length - over)
    return Image.frombytes("L", (length, 1), bytes(levels))
