"""The solvers that A1111 runs on training timesteps: DDIM and PLMS; UniPC is the third.

They are written for states of unit variance, x/√(1+σ²). In σ they are solvers like the others, on
σ's of their own (`schedules/fixed_grids.py`); their rows say `unit_start`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

from .ancestral import ancestral_split
from .multistep import ADAMS_BASHFORTH, weighted
from .ode import euler_step


def ddim(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, eta: float = 0.0
) -> Iterator[X]:
    """Step to x̂₀ and back to the next noise level: Song et al. 2020 (DDIM), eq. 12.

    `eta` 1 adds the noise of DDPM. In σ it is the ancestral split with another default.
    """
    for sigma, sigma_next in pairwise(sigmas):
        down, up = ancestral_split(sigma, sigma_next, eta=eta)
        x = euler_step(denoise, x, sigma, down)
        if up:
            x = x + noise(sigma, sigma_next) * up
        yield x


def plms(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Solve by pseudo linear multistep (Liu et al. 2022, PNDM, eq. 12).

    It begins with an improved Euler step.
    """
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
