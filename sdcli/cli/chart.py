"""Owns the chart of noise levels: σ by step on a logarithmic scale, drawn with Pillow."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 600
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 56, 64
SCALE = 2  # drawn larger, then averaged down: smooth lines
# Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRID, INK = "#DDDDDD", "#222222"


def chart(lines: Mapping[str, Sequence[float]]) -> bytes:
    """A PNG with a line for each name, through its σ's at steps 1, 2, …"""
    canvas = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    pen = ImageDraw.Draw(canvas)
    font, small = (ImageFont.load_default(size * SCALE) for size in (16, 13))
    longest = max(len(sigmas) for sigmas in lines.values())
    every = [sigma for sigmas in lines.values() for sigma in sigmas]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))

    def place(step: float, sigma: float) -> tuple[float, float]:
        across = (step - 1) / max(longest - 1, 1)
        up = (math.log10(sigma) - low) / (high - low)
        x = LEFT + across * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)
        return (x * SCALE, y * SCALE)

    for power in range(low, high + 1):
        for digit in range(1, 10 if power < high else 2):
            y = place(1, digit * 10.0**power)[1]
            shade = "#BBBBBB" if digit == 1 else GRID
            pen.line([place(1, 1)[0], y, place(longest, 1)[0], y], fill=shade, width=SCALE)
        label = f"{10.0**power:g}"
        pen.text(
            (place(1, 1)[0] - 10 * SCALE, place(1, 10.0**power)[1]), label, INK, small, anchor="rm"
        )
    for step in _ticks(longest):
        x = place(step, 1)[0]
        pen.line([x, place(1, 10.0**low)[1], x, place(1, 10.0**high)[1]], fill=GRID, width=SCALE)
        pen.text((x, place(1, 10.0**low)[1] + 8 * SCALE), str(step), INK, small, anchor="mt")
    pen.text((WIDTH * SCALE / 2, (HEIGHT - 8) * SCALE), "step", INK, font, anchor="mb")
    pen.text((LEFT * SCALE - 10 * SCALE, 14 * SCALE), "noise level (sigma)", INK, font, anchor="lt")
    for index, (name, sigmas) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = [place(step, sigma) for step, sigma in enumerate(sigmas, start=1)]
        pen.line(points, fill=colour, width=2 * SCALE, joint="curve")
        for x, y in points:
            pen.circle((x, y), 3.5 * SCALE, fill=colour)
        y = (TOP + 18 + 22 * index) * SCALE
        pen.line([(WIDTH - 300) * SCALE, y, (WIDTH - 270) * SCALE, y], fill=colour, width=3 * SCALE)
        pen.text(((WIDTH - 260) * SCALE, y), name, INK, font, anchor="lm")
    out = io.BytesIO()
    canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX).save(out, "PNG", optimize=True)
    return out.getvalue()


def _ticks(longest: int) -> list[int]:
    """About ten round step numbers."""
    stride = next((s for s in (1, 2, 5, 10, 20, 50, 100) if longest / s <= 12), 200)
    return [1, *range(stride if stride > 1 else 2, longest + 1, stride)]
