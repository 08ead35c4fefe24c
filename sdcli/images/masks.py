"""Inpainting in pixels: what of a picture is made anew, and how it is laid into the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sdcli.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

# A1111's "fill": Gaussian blurs of the kept pixels laid over each other, (radius, times).
_FILLS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
_SIDES = ("left", "top", "right", "bottom")
_MARGIN = re.compile(r"\s*(\w{1,6})\s*=\s*(\d{1,5})\s*")


class Rectangle(NamedTuple):
    """In pixels, from the upper left corner of the picture."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return ",".join(map(str, self))


class Margins(NamedTuple):
    """Pixels that are added at each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __str__(self) -> str:
        return ",".join(f"{side}={n}" for side, n in zip(_SIDES, self, strict=True) if n)


def parse_rectangle(text: str) -> Rectangle:
    """Parse a rectangle written as x,y,width,height. Raises UsageError."""
    numbers = re.fullmatch(r"\s*(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})\s*", text.replace(" ", ""))
    if not numbers:
        raise UsageError(
            f"{text!r} is not a rectangle", "write it as x,y,width,height: 64,64,128,96"
        )
    rectangle = Rectangle(*map(int, numbers.groups()))
    if not rectangle.width or not rectangle.height:
        raise UsageError(f"the rectangle {text} is empty")
    return rectangle


def parse_margins(text: str) -> Margins:
    """Parse margins written as left=64,top=32. Raises UsageError."""
    parts = text.rstrip(", ").split(",")
    pairs = [found for part in parts if (found := _MARGIN.fullmatch(part))]
    sides = {pair[1].lower(): int(pair[2]) for pair in pairs}
    legal = len(sides) == len(pairs) == len(parts) and sides.keys() <= set(_SIDES)
    if not legal or not any(sides.values()):
        raise UsageError(
            f"{text!r} names no sides", "write them as left=64,top=32,right=0,bottom=8"
        )
    return Margins(**sides)


@dataclass(frozen=True, slots=True)
class Patch:
    """What a model is given to make anew, and what becomes of the result.

    `image` (RGB) and `mask` (L, white is made anew) have the size that the model works at. The
    result is laid into `base` where `over` (L) is white: at `box`, or over all of it.
    """

    image: Image
    mask: Image
    base: Image
    over: Image
    box: tuple[int, int, int, int] | None = None

    def laid(self, made: Image) -> Image:
        """Return the whole picture: kept pixels are those of `base`, to the last bit."""
        from PIL import Image

        from .resize import resized

        if self.box:
            left, top, right, bottom = self.box
            whole = self.base.copy()
            whole.paste(resized(made, (right - left, bottom - top), "crop"), (left, top))
            made = whole
        return Image.composite(made, self.base, self.over)


def box_around(
    mask: Image, size: tuple[int, int], *, padding: int
) -> tuple[int, int, int, int] | None:
    """Return the part of a picture that the model sees for a mask: left, top, right, bottom.

    The mask's bounds and `padding` pixels around, then as much more of the picture as gives it the
    proportions of `size`, as far as there is more. None for an empty mask.
    """
    bounds = mask.getbbox()
    if bounds is None:
        return None
    x = max(bounds[0] - padding, 0), min(bounds[2] + padding, mask.width)
    y = max(bounds[1] - padding, 0), min(bounds[3] + padding, mask.height)
    ratio = size[0] / size[1]
    wide, high = x[1] - x[0], y[1] - y[0]
    if wide / high > ratio:
        y = _stretched(y, int(wide / ratio - high), mask.height)
    else:
        x = _stretched(x, int(high * ratio - wide), mask.width)
    return x[0], y[0], x[1], y[1]


def _stretched(span: tuple[int, int], more: int, room: int) -> tuple[int, int]:
    """Lengthen by `more` at both ends together, within 0 and `room`."""
    first, last = span[0] - more // 2, span[1] + more - more // 2
    over = max(last - room, 0)
    first, last = first - over, last - over
    return max(first, 0), min(last - min(first, 0), room)


def blurred(mask: Image, radius: int) -> Image:
    """Blur a mask: Gaussian of σ = radius, cut off at 2.5 σ, first along rows.

    Beyond the picture it is mirrored, and each pass is rounded to whole levels, as A1111's is.
    """
    if not radius:
        return mask
    import numpy as np
    from PIL import Image

    reach = int(2.5 * radius + 0.5)
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / radius) ** 2)
    weights /= weights.sum()
    levels = np.asarray(mask.convert("L"), float)
    for axis in (1, 0):
        around = [(0, 0), (0, 0)]
        around[axis] = (reach, reach)
        wide = np.pad(levels, around, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1, axis=axis)
        levels = np.round(windows @ weights)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def filled(image: Image, mask: Image) -> Image:
    """Fill what the mask covers from its surroundings, as A1111's "fill" does."""
    from PIL import Image, ImageChops, ImageFilter

    surroundings = Image.new("RGBa", image.size)
    surroundings.paste(image.convert("RGBA").convert("RGBa"), mask=ImageChops.invert(mask))
    page = Image.new("RGBA", image.size)
    for radius, times in _FILLS:
        layer = surroundings.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            page.alpha_composite(layer)
    return page.convert("RGB")
