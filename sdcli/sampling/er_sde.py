"""Owns ER-SDE: the reverse SDE with an extended family of noise (Cui et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from .protocols import Denoise, Noise, Sigmas, X

POINTS = 200  # of the sums that stand for the paper's integrals, as the authors have it


def er_sde(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, s_noise: float = 1.0
) -> Iterator[X]:
    """ER-SDE-Solver-3 with the authors' fifth noise scale; order 1 and 2 in the first steps."""
    past: list[tuple[float, X]] = []  # σ and x̂₀ of up to two steps before, the newest first
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
            yield x
            continue
        scale_next = _noise_scale(sigma_next)
        keep = scale_next / _noise_scale(sigma)
        x = x * keep + denoised * (1 - keep)
        width = (sigma - sigma_next) / POINTS
        places = [sigma_next + width * i for i in range(POINTS)]
        step = sigma_next - sigma
        if past:
            slope = _slope((sigma, denoised), past[0])
            whole = width * sum(1 / _noise_scale(place) for place in places)
            x = x + slope * (step + whole * scale_next)
            if len(past) > 1:
                bend = (slope - _slope(*past)) / ((sigma - past[1][0]) / 2)
                first = width * sum((place - sigma) / _noise_scale(place) for place in places)
                x = x + bend * (step**2 / 2 + first * scale_next)
        if s_noise:
            spread = math.sqrt(max(sigma_next**2 - (sigma * keep) ** 2, 0.0))
            x = x + noise(sigma, sigma_next) * (s_noise * spread)
        past = [(sigma, denoised), *past[:1]]
        yield x


def _noise_scale(sigma: float) -> float:
    return sigma * (math.exp(sigma**0.3) + 10)


def _slope(one: tuple[float, X], other: tuple[float, X]) -> X:
    """How x̂₀ changes with σ between two of its values."""
    slope: X = (one[1] - other[1]) / (one[0] - other[0])
    return slope
