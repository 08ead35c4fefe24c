"""The self-test of a device: its pictures next to those the CPU makes in fp32."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL.Image import Image

from sdcli import models
from sdcli.notices import Say
from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings

from . import engines
from .protocols import PictureEngine

_BASE: dict[str, Any] = {
    "prompt": "a red circle on a blue background",
    "seed": 1,
    "cfg_scale": 3.0,
}
_WORKS: dict[str, dict[str, Any]] = {
    "DPM++ 2M, 8 steps": {"sampler": "DPM++ 2M", "steps": 8},
    "DPM++ SDE, 6 steps, Brownian noise": {"sampler": "DPM++ SDE", "steps": 6},
    "img2img, Euler a, 10 steps": {"sampler": "Euler a", "steps": 10, "strength": 0.6},
}
_OVER = "img2img, Euler a, 10 steps"  # begins from the first one's picture, as the CPU made it

LEAST_PSNR = {"fp32": 40.0, "fp16": 40.0, "bf16": 30.0}
"""Decibels that rounding leaves. Measured for these pictures on a CPU, against its own fp32: fp16
56 to 64, bf16 41 to 51; TF32, in which NVIDIA cards multiply fp32, has fp16's digits. Another
seed's picture is below 25. How far one pixel is off says little: bf16 was 65 levels at an edge."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A picture of the device next to the CPU's: differences in levels, 0 to 255."""

    work: str
    greatest: int
    mean: float
    psnr: float
    """In decibels; infinite where the pictures are equal."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a device made, and how far that is from the CPU's pictures."""

    device: str
    dtype: str
    comparisons: Sequence[Comparison]

    @property
    def least_psnr(self) -> float:
        """Decibels, below which a picture is not explained by rounding."""
        return LEAST_PSNR[self.dtype]

    @property
    def passed(self) -> bool:
        """Whether rounding explains every difference."""
        return all(each.psnr >= self.least_psnr for each in self.comparisons)


def self_test(device: str, dtype: str, say: Say) -> SelfTest:
    """Make small pictures of the built-in model on the device and on the CPU, and compare them.

    `say` takes warnings. Raises SdcliError for a device that is not there, or that fails.
    """
    model = models.find(models.BUILTIN)
    with TemporaryDirectory() as folder:
        start = Path(folder) / "start.png"
        # The CPU comes first: what a card's engine sets for the process cannot change its pictures.
        here = engines.load_engine(model, Settings(device="cpu", dtype="fp32"), say)
        expected = list(_pictures(here, start))
        there = engines.load_engine(model, Settings(device=device, dtype=dtype), say)
        pairs = zip(_WORKS, expected, _pictures(there, start), strict=True)
        comparisons = [compared(work, one, other) for work, one, other in pairs]
    return SelfTest(there.placement.device_name, there.placement.dtype_name, comparisons)


def _pictures(engine: PictureEngine, start: Path) -> Iterator[Image]:
    """Yield one picture a work. `start` is written where there is none yet."""
    for work, changes in _WORKS.items():
        over = {"init_img": str(start)} if work == _OVER else {}
        run = engine.start([GenerationRequest(**_BASE, **changes, **over)])
        for _ in run:
            pass
        image = run.pictures()[0].image
        if not start.exists():
            image.save(start)
        yield image


def compared(work: str, expected: Image, image: Image) -> Comparison:
    """Return how far `image` is from what was expected, over all pixels and channels."""
    one, other = (np.asarray(each, np.float64) for each in (expected, image))
    difference = np.abs(one - other)
    error = float(np.square(difference).mean())
    psnr = 10 * math.log10(255**2 / error) if error else math.inf
    return Comparison(work, int(difference.max()), float(difference.mean()), psnr)
