"""Wrappers of a denoiser: the boundary condition of consistency models, and a memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from sdcli.sampling import Denoise


def consistent(denoise: Denoise[Tensor], timestep: Callable[[float], float]) -> Denoise[Tensor]:
    """Put x̂₀ under the boundary condition of consistency models: at timestep 0, x itself.

    Luo et al. 2023, with σ_data 0.5 and timesteps scaled by 10.
    """

    def bounded(x: Tensor, sigma: float, /) -> Tensor:
        t = 10 * timestep(sigma)
        keep = 0.25 / (t**2 + 0.25)
        return denoise(x, sigma) * (t / math.sqrt(t**2 + 0.25)) + x * keep

    return bounded


class LastDenoised:
    """As another denoiser; `denoised` is the last x̂₀ that it gave, for previews."""

    def __init__(self, denoise: Any) -> None:
        self._denoise = denoise
        self.denoised: Tensor | None = None

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """Ask the other, and keep the x̂₀ that it gives."""
        self.denoised = denoised = self._denoise(x, sigma)
        return denoised

    def both(self, x: Tensor, sigma: float, /) -> tuple[Tensor, Tensor]:
        """Ask the other for both, and keep the guided x̂₀."""
        denoised, without = self._denoise.both(x, sigma)
        self.denoised = denoised
        return denoised, without
