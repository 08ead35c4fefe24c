"""How much two pictures differ, pixel by pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Likeness:
    """The greatest and the mean difference of all levels, of 255; both infinite for other sizes."""

    greatest: float
    mean: float
    psnr: float
    """The peak signal-to-noise ratio in dB: infinite for the same picture."""

    def __str__(self) -> str:
        if not self.greatest:
            return "the same in every pixel"
        if math.isinf(self.greatest):
            return "of another size"
        return (
            f"different by at most {self.greatest:.0f} of 255, {self.mean:.3f} on average "
            f"(PSNR {self.psnr:.1f} dB)"
        )


def likeness(one: Image, other: Image) -> Likeness:
    """Return how much two pictures differ, in RGB."""
    import numpy as np

    if one.size != other.size:
        return Likeness(math.inf, math.inf, -math.inf)
    levels = (np.asarray(image.convert("RGB"), np.float64) for image in (one, other))
    apart = np.abs(next(levels) - next(levels))
    square = float(np.square(apart).mean())
    psnr = 10 * math.log10(255**2 / square) if square else math.inf
    return Likeness(float(apart.max()), float(apart.mean()), psnr)
