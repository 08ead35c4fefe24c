"""Reading pictures back: which colours and which shape a drawn or generated picture shows."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .canvas import SIDE
from .palette import COLOURS
from .shapes import SHAPES, SIZES, Backdrop, Figure, ShapeScene, paint_shapes

Pixels = NDArray[np.float64]  # (height, width, 3), 0 to 255
Mask = NDArray[np.float64]  # (height, width), 0 outside the figure to 1 inside it

RIM = 6  # pixels at the edge that show the background alone
LEAST_CONTRAST = 40.0  # of a pixel against the background, in RGB units, to be part of a figure
LEAST_AREA = 40  # pixels of a figure that is there at all
GRID = 33  # samples a side of a figure brought to one size and place
REACH = 1.75  # of the radius of the circle of the figure's area, that the samples span
TURNS = (-0.1, -0.05, 0.0, 0.05, 0.1)  # radians, as scenes turn their figures


@dataclass(frozen=True)
class Reading:
    """What one figure on a plain background looks like; None where there is no figure."""

    background: str
    colour: str | None
    shape: str | None


def read(picture: Image.Image) -> Reading:
    """Read a picture of one figure on a plain background."""
    pixels = _pixels(picture)
    ground = _rim_colour(pixels)
    mask, colour = _figure(pixels, ground)
    if mask is None:
        return Reading(nearest(ground), None, None)
    return Reading(nearest(ground), nearest(colour), shape_of(mask))


def read_halves(picture: Image.Image, *, stacked: bool) -> tuple[str | None, str | None]:
    """The colours of the figures in the left and right halves, or the upper and lower ones."""
    pixels = _pixels(picture)
    ground = _rim_colour(pixels)
    middle = SIDE // 2
    halves = (
        (pixels[:middle], pixels[middle:]) if stacked else (pixels[:, :middle], pixels[:, middle:])
    )
    first, second = (_figure(half, ground) for half in halves)
    return (
        nearest(first[1]) if first[0] is not None else None,
        nearest(second[1]) if second[0] is not None else None,
    )


def nearest(colour: Pixels) -> str:
    """The named colour closest in RGB."""
    return min(COLOURS, key=lambda name: float(np.square(colour - COLOURS[name]).sum()))


def shape_of(mask: Mask) -> str:
    """The generator's shape that overlaps the figure best once both have one place and area."""
    sample = _normalised(mask)
    both = np.minimum(_templates()[1], sample).sum(axis=(1, 2))
    either = np.maximum(_templates()[1], sample).sum(axis=(1, 2))
    return _templates()[0][int(np.argmax(both / either))]


def _pixels(picture: Image.Image) -> Pixels:
    # The median removes specks without moving edges.
    return np.asarray(picture.convert("RGB").filter(ImageFilter.MedianFilter(3)), np.float64)


def _rim_colour(pixels: Pixels) -> Pixels:
    rim = np.ones(pixels.shape[:2], bool)
    rim[RIM:-RIM, RIM:-RIM] = False
    return np.median(pixels[rim], axis=0)


def _figure(pixels: Pixels, ground: Pixels) -> tuple[Mask | None, Pixels]:
    """How much each pixel belongs to the figure, and the figure's own colour."""
    apart = np.sqrt(np.square(pixels - ground).sum(axis=-1))
    # Most of what stands out at least half as much as the most does is the figure's inside.
    inside = apart > max(LEAST_CONTRAST, np.percentile(apart, 99.5) / 2)
    if inside.sum() < LEAST_AREA:
        return None, ground
    colour = np.median(pixels[inside], axis=0)
    step = colour - ground
    return np.clip((pixels - ground) @ step / (step @ step), 0, 1), colour


def _normalised(mask: Mask) -> Mask:
    """The figure resampled so that its centre and its area are always the same."""
    firm = np.where(mask > 0.25, mask, 0)
    area = firm.sum()
    rows, columns = np.indices(mask.shape)
    y, x = (firm * rows).sum() / area, (firm * columns).sum() / area
    reach = REACH * math.sqrt(area / math.pi)
    steps = np.linspace(-reach, reach, GRID)
    return _sampled(mask, y + steps, x + steps)


def _sampled(mask: Mask, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Mask:
    """Bilinear samples at the crossings of the rows and columns; nothing lies outside the mask."""
    padded = np.pad(mask, 1)
    rows = np.clip(rows + 1, 0, padded.shape[0] - 1.001)
    columns = np.clip(columns + 1, 0, padded.shape[1] - 1.001)
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[:, None], (columns - left)[None, :]
    upper = padded[np.ix_(top, left)] * (1 - right) + padded[np.ix_(top, left + 1)] * right
    lower = padded[np.ix_(top + 1, left)] * (1 - right) + padded[np.ix_(top + 1, left + 1)] * right
    sampled: Mask = upper * (1 - down) + lower * down
    return sampled


@cache
def _templates() -> tuple[list[str], NDArray[np.float64]]:
    """Every shape as the generator paints it, in each size and a few turns: names and samples."""
    names, samples = [], []
    for shape in SHAPES:
        for radius in SIZES.values():  # small figures lose their corners
            for turn in TURNS:
                figure = Figure(shape, "black", "", 0.5, 0.5, radius, turn)
                picture = paint_shapes(ShapeScene((figure,), Backdrop("white"))).finish()
                mask, _ = _figure(_pixels(picture), np.asarray(COLOURS["white"], np.float64))
                assert mask is not None
                names.append(shape)
                samples.append(_normalised(mask))
    return names, np.stack(samples)
