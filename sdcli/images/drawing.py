"""The chart: named lines over a logarithmic scale, drawn with Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

WIDTH, HEIGHT = 960, 600
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 56, 64
SCALE = 2  # drawn larger, then averaged down: smooth lines
# Okabe and Ito's colors, which the color-blind tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRID, INK = "#DDDDDD", "#222222"


Points = Sequence[tuple[float, float]]


def chart(lines: Mapping[str, Points], *, across: str, up: str) -> bytes:
    """Return a PNG with a line for each name through its points, y above 0; the axes are named."""
    canvas = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    pen = ImageDraw.Draw(canvas)
    font, small = (ImageFont.load_default(size * SCALE) for size in (16, 13))
    places = [x for points in lines.values() for x, _ in points]
    heights = [y for points in lines.values() for _, y in points]
    first, last = min(places), max(places)
    low, high = math.floor(math.log10(min(heights))), math.ceil(math.log10(max(heights)))
    high = max(high, low + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        right = (x - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT)
        raised = (math.log10(y) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return ((LEFT + right) * SCALE, (HEIGHT - BOTTOM - raised) * SCALE)

    for power in range(low, high + 1):
        for digit in range(1, 10 if power < high else 2):
            y = place(first, digit * 10.0**power)[1]
            shade = "#BBBBBB" if digit == 1 else GRID
            pen.line([place(first, 1)[0], y, place(last, 1)[0], y], fill=shade, width=SCALE)
        label = f"{10.0**power:g}"
        pen.text(
            (place(first, 1)[0] - 10 * SCALE, place(first, 10.0**power)[1]),
            label,
            INK,
            small,
            anchor="rm",
        )
    for tick in _ticks(first, last):
        x, floor = place(tick, 10.0**low)
        pen.line([x, floor, x, place(tick, 10.0**high)[1]], fill=GRID, width=SCALE)
        pen.text((x, floor + 8 * SCALE), str(tick), INK, small, anchor="mt")
    pen.text((WIDTH * SCALE / 2, (HEIGHT - 8) * SCALE), across, INK, font, anchor="mb")
    pen.text((LEFT * SCALE - 10 * SCALE, 14 * SCALE), up, INK, font, anchor="lt")
    for index, (name, points) in enumerate(lines.items()):
        color = COLORS[index % len(COLORS)]
        path = [place(x, y) for x, y in points]
        pen.line(path, fill=color, width=2 * SCALE, joint="curve")
        for x, y in path:
            pen.circle((x, y), 3.5 * SCALE, fill=color)
        y = (TOP + 18 + 22 * index) * SCALE
        pen.line([(WIDTH - 300) * SCALE, y, (WIDTH - 270) * SCALE, y], fill=color, width=3 * SCALE)
        pen.text(((WIDTH - 260) * SCALE, y), name, INK, font, anchor="lm")
    out = io.BytesIO()
    canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX).save(out, "PNG", optimize=True)
    return out.getvalue()


def _ticks(first: float, last: float) -> list[int]:
    """Return about ten round whole numbers, and where the axis begins."""
    span = last - first
    stride = next((s for s in (1, 2, 5, 10, 20, 50, 100) if span / s <= 12), 200)
    begin = math.ceil(first)
    later = range((begin // stride + 1) * stride, math.floor(last) + 1, stride)
    return [begin, *later]


TILE = 160  # pixels of a picture's longer side
GAP, TITLE, LABEL = 8, 30, 22

Labelled = Sequence[tuple[str, Image.Image]]


def sheet(rows: Mapping[str, Labelled]) -> bytes:
    """Return a PNG with a row of pictures for each name, and beneath each picture its label."""
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
