"""Restart: Heun's steps, going back once or twice to a higher noise level on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X
from sdcli.sampling.schedules.spacings import karras_between

from .ode import heun_step

FROM, TO = 0.1, 2.0  # σ's near which a run turns back, and to which it goes back


def restart(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, s_noise: float = 1.0
) -> Iterator[X]:
    """Solve by Restart sampling (Xu et al. 2023) with A1111's choice of segments.

    Of the σ's only the ends count from 20 steps on: the steps are shared out anew between the way
    down and what is walked again. With fewer steps it is Heun's solver.
    """
    for sigma_from, sigma, sigma_next in _walk(sigmas):
        if sigma > sigma_from:
            x = x + noise(sigma_from, sigma) * (s_noise * math.sqrt(sigma**2 - sigma_from**2))
        x = heun_step(denoise, x, sigma, sigma_next)
        yield x


def _walk(sigmas: Sigmas) -> Iterator[tuple[float, float, float]]:
    """Yield every interval: where the run stands, the σ that starts the interval, and its end."""
    steps = len(sigmas) - 1
    path = list(pairwise(sigmas))
    if steps >= 20:
        length, times = (steps // 4, 2) if steps >= 36 else (9, 1)
        down = (*karras_between(sigmas[0], sigmas[-2], steps - length * times), 0.0)
        turn, top = (_nearest(down, sigma) for sigma in (FROM, TO))
        again = list(pairwise(karras_between(down[top], down[turn], length + 1)))
        path = list(pairwise(down))
        if top < turn:
            path[turn:turn] = again * times
    stands = path[0][0]
    for sigma, sigma_next in path:
        yield stands, sigma, sigma_next
        stands = sigma_next


def _nearest(sigmas: Sigmas, wanted: float) -> int:
    return min(range(len(sigmas)), key=lambda i: abs(sigmas[i] - wanted))
