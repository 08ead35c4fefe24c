"""Owns the samplers of consistency models: to x̂₀ in one jump, and back up with fresh noise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .protocols import Denoise, Noise, Sigmas, X


def lcm(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, s_noise: float = 1.0
) -> Iterator[X]:
    """Latent consistency sampling (Luo et al. 2023, Alg. 3)."""
    for sigma, sigma_next in pairwise(sigmas):
        x = denoise(x, sigma)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * (s_noise * sigma_next)
        yield x
