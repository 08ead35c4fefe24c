"""Owns the ancestral solvers: each step removes more noise than it must, and adds some back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from .protocols import Denoise, Noise, Sigmas, X


def ancestral_split(sigma: float, sigma_next: float, *, eta: float) -> tuple[float, float]:
    """(down, up) with down² + up² = sigma_next²: step to `down`, then add noise of σ = `up`.

    eta 0 adds none; eta 1 adds as much as the posterior of DDPM (Ho et al. 2020) has.
    """
    if eta == 0:
        return sigma_next, 0.0
    posterior = sigma_next * math.sqrt(sigma**2 - sigma_next**2) / sigma
    up = min(sigma_next, eta * posterior)
    return math.sqrt(sigma_next**2 - up**2), up


def euler_ancestral(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[X]:
    """Euler's step to `down`, then fresh noise."""
    for sigma, sigma_next in pairwise(sigmas):
        down, up = ancestral_split(sigma, sigma_next, eta=eta)
        slope = (x - denoise(x, sigma)) / sigma
        x = x + slope * (down - sigma)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * (s_noise * up)
        yield x
