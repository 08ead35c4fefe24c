"""Owns the sheet of `sdcli explain --on`: rows of labelled pictures, drawn with Pillow."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

TILE = 160  # pixels of a picture's longer side
GAP, TITLE, LABEL = 8, 30, 22
INK = "#222222"

Labelled = Sequence[tuple[str, Image.Image]]


def sheet(rows: Mapping[str, Labelled]) -> bytes:
    """A PNG with a row of pictures for each name, and beneath each picture its label."""
    columns = max(len(row) for row in rows.values())
    height = TITLE + TILE + LABEL
    canvas = Image.new("RGB", (GAP + columns * (TILE + GAP), GAP + len(rows) * height), "white")
    pen = ImageDraw.Draw(canvas)
    title, small = (ImageFont.load_default(size) for size in (16, 13))
    for line, (name, row) in enumerate(rows.items()):
        top = GAP + line * height
        pen.text((GAP, top + TITLE / 2), name, INK, title, anchor="lm")
        for column, (label, picture) in enumerate(row):
            left = GAP + column * (TILE + GAP)
            shown = ImageOps.contain(picture, (TILE, TILE), Image.Resampling.LANCZOS)
            canvas.paste(shown, (left, top + TITLE))
            pen.text((left, top + TITLE + TILE + LABEL / 2), label, INK, small, anchor="lm")
    out = io.BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()
