"""The ancestral solvers: each step removes more noise than it must, and adds some back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, Solver, X

from .ode import euler_step, midpoint_step

Step = Callable[[Denoise[Any], Any, float, float], Any]


def ancestral_split(sigma: float, sigma_next: float, *, eta: float) -> tuple[float, float]:
    """Return (down, up), down² + up² = sigma_next²: step to `down`, then add noise of σ = `up`.

    eta 0 adds none; eta 1 adds as much as the posterior of DDPM (Ho et al. 2020) has.
    """
    if eta == 0:
        return sigma_next, 0.0
    posterior = sigma_next * math.sqrt(sigma**2 - sigma_next**2) / sigma
    up = min(sigma_next, eta * posterior)
    return math.sqrt(sigma_next**2 - up**2), up


def ancestral(step: Step) -> Solver:
    """Return the solver that takes `step` to `down`, then adds fresh noise of σ = `up`."""

    def solve(
        denoise: Denoise[X],
        x: X,
        sigmas: Sigmas,
        noise: Noise[X],
        *,
        eta: float = 1.0,
        s_noise: float = 1.0,
    ) -> Iterator[X]:
        for sigma, sigma_next in pairwise(sigmas):
            down, up = ancestral_split(sigma, sigma_next, eta=eta)
            x = step(denoise, x, sigma, down)
            if sigma_next > 0:
                x = x + noise(sigma, sigma_next) * (s_noise * up)
            yield x

    # Not functools.wraps: the options are read off this signature, not off the step's.
    solve.__name__, solve.__doc__ = step.__name__, step.__doc__
    return solve


euler_ancestral = ancestral(euler_step)
dpm2_ancestral = ancestral(midpoint_step)


@ancestral
def dpmpp_2s_ancestral(denoise: Denoise[Any], x: Any, sigma: float, down: float) -> Any:
    """Step by DPM-Solver++(2S) to `down` by way of the middle in log σ (Lu et al. 2022, Alg. 1)."""
    denoised = denoise(x, sigma)
    if down == 0:
        return denoised
    middle = math.sqrt(sigma * down)
    keep = middle / sigma
    halfway = x * keep + denoised * (1 - keep)
    keep = down / sigma
    return x * keep + denoise(halfway, middle) * (1 - keep)
