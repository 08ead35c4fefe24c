"""The solvers that A1111 runs on training timesteps: DDIM, PLMS and UniPC.

They are written for states of unit variance, x/√(1+σ²). In σ they are solvers like the others, on
σ's of their own (`grids.py`); what they hand over at the end is scaled back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from functools import wraps
from itertools import pairwise

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, Solver, X

from .ancestral import ancestral_split
from .cfg_pp import euler_cfg_pp
from .multistep import ADAMS_BASHFORTH, weighted
from .ode import euler_step


def unit_variance(solver: Solver) -> Solver:
    """Return the solver with its last state scaled to unit variance: it may end above σ 0."""

    @wraps(solver)
    def solve(
        denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], **options: float
    ) -> Iterator[X]:
        states = solver(denoise, x, sigmas, noise, **options)
        for sigma, state in zip(sigmas[1:], states, strict=True):
            yield state if sigma > sigmas[-1] else state / math.sqrt(1 + sigma**2)

    return solve


@unit_variance
def ddim(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, eta: float = 0.0
) -> Iterator[X]:
    """Song et al. 2020 (DDIM), eq. 12: to x̂₀ and back to the next noise level.

    `eta` 1 adds the noise of DDPM. In σ, the ancestral split with another default.
    """
    for sigma, sigma_next in pairwise(sigmas):
        down, up = ancestral_split(sigma, sigma_next, eta=eta)
        x = euler_step(denoise, x, sigma, down)
        if up:
            x = x + noise(sigma, sigma_next) * up
        yield x


ddim_cfg_pp = unit_variance(euler_cfg_pp)


@unit_variance
def plms(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Pseudo linear multistep (Liu et al. 2022, PNDM, eq. 12), begun by an improved Euler step."""
    slopes: deque[X] = deque(maxlen=4)  # the newest first
    for sigma, sigma_next in pairwise(sigmas):
        slope = (x - denoise(x, sigma)) / sigma
        slopes.appendleft(slope)
        if len(slopes) == 1 and sigma_next > 0:
            ahead = x + slope * (sigma_next - sigma)
            mean = (slope + (ahead - denoise(ahead, sigma_next)) / sigma_next) / 2
        else:
            mean = weighted(ADAMS_BASHFORTH[len(slopes) - 1], slopes)
        x = x + mean * (sigma_next - sigma)
        yield x
