"""The plot: a bar a row from 1, on a logarithmic scale, drawn with Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from sdcli.images.drawing import COLORS, GRID, INK, SCALE

WIDTH, TOP, BOTTOM, BAR, GAP = 1100, 108, 48, 18, 10
MARGIN, COLUMN = 20, 56  # at the edges; and of a column of numbers at the right one
LEAD, BEHIND, TUNED = COLORS[0], COLORS[1], COLORS[4]
_WRITTEN = str.maketrans({"²": " px", "×": "x"})  # what Pillow's own font lacks
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_FINER, _FINER_BELOW = (0.8, 1.25, 1.5, 3), 5


class Bar(NamedTuple):
    """A row's name, how many times as fast it is, and the same beside the tuned pipeline."""

    name: str
    ratio: float
    tuned: float | None = None


def plot(bars: Sequence[Bar], where: str) -> bytes:
    """A PNG of the bars; `where` names the machine."""
    height = TOP + BOTTOM + len(bars) * (BAR + GAP)
    canvas = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
    pen = ImageDraw.Draw(canvas)
    font, small = (ImageFont.load_default(size * SCALE) for size in (17, 13))
    bars = [bar._replace(name=bar.name.translate(_WRITTEN)) for bar in bars]
    names = max((pen.textlength(bar.name, small) / SCALE for bar in bars), default=0)
    left, right = MARGIN + names + 14, WIDTH - MARGIN - 2 * COLUMN
    ratios = [ratio for bar in bars for ratio in bar[1:] if ratio is not None]
    low, high = min([*ratios, 0.9]) * 0.95, max([*ratios, 2]) * 1.05

    def across(ratio: float) -> float:
        share = math.log(ratio / low) / math.log(high / low)
        return (left + share * (right - left)) * SCALE

    def write(x: float, y: float, text: str, anchor: str) -> None:
        pen.text((x, y), text, INK, small, anchor=anchor)

    floor = (height - BOTTOM + 4) * SCALE
    for tick in (*_TICKS, *(_FINER if high < _FINER_BELOW else ())):
        if low <= tick <= high:
            x, shade = across(tick), INK if tick == 1 else GRID
            pen.line([x, (TOP - 6) * SCALE, x, floor], fill=shade, width=SCALE)
            write(x, floor + 6 * SCALE, f"{tick:g}x", "mt")
    pen.text((MARGIN * SCALE, 14 * SCALE), "sdcli beside diffusers", INK, font, anchor="lt")
    pen.text((MARGIN * SCALE, 40 * SCALE), where, "#666666", small, anchor="lt")
    edges = [(WIDTH - MARGIN - COLUMN) * SCALE, (WIDTH - MARGIN) * SCALE]
    for mark, end in zip((_stroke, _diamond), edges, strict=True):
        mark(pen, end - 12 * SCALE, (TOP - 16) * SCALE)
    for number, bar in enumerate(bars):
        top = (TOP + number * (BAR + GAP)) * SCALE
        middle = top + BAR * SCALE / 2
        write((left - 14) * SCALE, middle, bar.name, "rm")
        ends = sorted((across(1), across(bar.ratio)))
        colour = LEAD if bar.ratio >= 1 else BEHIND
        pen.rectangle([ends[0], top, ends[1], top + BAR * SCALE], fill=colour)
        if bar.tuned is not None:
            _diamond(pen, across(bar.tuned), middle)
        for ratio, end in zip(bar[1:], edges, strict=True):
            if ratio is not None:
                write(end, middle, f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}", "rm")
    legend = {"times as fast, or as small, as the pipeline as documented": _stroke}
    y = 22 * SCALE
    for text, mark in {**legend, "as the pipeline tuned": _diamond}.items():
        write(edges[1], y, text, "rm")
        mark(pen, edges[1] - pen.textlength(text, small) - 16 * SCALE, y)
        y += 22 * SCALE
    out = io.BytesIO()
    canvas.resize((WIDTH, height), Image.Resampling.BOX).save(out, "PNG", optimize=True)
    return out.getvalue()


def _stroke(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """What stands for a bar."""
    pen.rectangle([x - 8 * SCALE, y - 5 * SCALE, x + 8 * SCALE, y + 5 * SCALE], fill=LEAD)


def _diamond(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    reach = 6 * SCALE
    corners = [(x - reach, y), (x, y - reach), (x + reach, y), (x, y + reach)]
    pen.polygon(corners, fill=TUNED, outline="white", width=SCALE)
