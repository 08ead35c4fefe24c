"""The solvers of the probability-flow ODE: same noise in, same picture out.

A solver is a generator over x, which is anything with + - * /: a float in a test, a tensor in a
picture. It yields x after every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, Solver, X

_MOST_CHURN = math.sqrt(2) - 1


Step = Callable[[Denoise[Any], Any, float, float], Any]
"""One deterministic step: (denoise, x, sigma, sigma_next) → x at sigma_next."""


def churning(step: Step) -> Solver:
    """Return the solver that takes `step` after raising the noise level from σ to σ(1+γ).

    Karras et al. 2022, Alg. 2. With s_churn 0, the default, it is `step` alone and draws nothing.
    """

    def solve(
        denoise: Denoise[X],
        x: X,
        sigmas: Sigmas,
        noise: Noise[X],
        *,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = math.inf,
        s_noise: float = 1.0,
    ) -> Iterator[X]:
        gamma = min(s_churn / (len(sigmas) - 1), _MOST_CHURN)
        for sigma, sigma_next in pairwise(sigmas):
            if gamma:
                eps = noise(sigma, sigma)  # A1111 draws outside [s_tmin, s_tmax] too
                if s_tmin <= sigma <= s_tmax:
                    raised = sigma * (1 + gamma)
                    x = x + eps * (s_noise * math.sqrt(raised**2 - sigma**2))
                    sigma = raised
            x = step(denoise, x, sigma, sigma_next)
            yield x

    # Not functools.wraps: the options are read off this signature, not off the step's.
    solve.__name__, solve.__doc__ = step.__name__, step.__doc__
    return solve


def euler_step(denoise: Denoise[Any], x: Any, sigma: float, sigma_next: float) -> Any:
    """Step along the slope at the start: to x̂₀, and back as far as the next noise level."""
    denoised = denoise(x, sigma)
    return denoised + (x - denoised) * (sigma_next / sigma)


euler = churning(euler_step)


def heun_step(denoise: Denoise[Any], x: Any, sigma: float, sigma_next: float) -> Any:
    """Step along the mean of the slopes at both ends; along the first alone to σ 0."""
    slope = (x - denoise(x, sigma)) / sigma
    ahead = x + slope * (sigma_next - sigma)
    if sigma_next == 0:
        return ahead
    slope_ahead = (ahead - denoise(ahead, sigma_next)) / sigma_next
    return x + (slope + slope_ahead) * ((sigma_next - sigma) / 2)


heun = churning(heun_step)


def midpoint_step(denoise: Denoise[Any], x: Any, sigma: float, sigma_next: float) -> Any:
    """Step along the slope halfway in log σ; along that at the start to σ 0."""
    slope = (x - denoise(x, sigma)) / sigma
    if sigma_next == 0:
        return x + slope * (sigma_next - sigma)
    middle = math.sqrt(sigma * sigma_next)
    halfway = x + slope * (middle - sigma)
    slope = (halfway - denoise(halfway, middle)) / middle
    return x + slope * (sigma_next - sigma)


dpm2 = churning(midpoint_step)


def heun_plus_plus(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Solve by Heun, looking two σ's ahead and weighing the slopes by where they were taken.

    The weights are those of "HeunPP2" in the web UIs: a slope's is its σ over that of the start,
    shared among the slopes, the first taking the rest. The last steps look less far.
    """
    start = sigmas[0]
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        first = (x - denoise(x, sigma)) / sigma
        slope, ahead, at = first, x, sigma
        following = sigmas[i + 1 : min(i + 3, len(sigmas) - 1)]
        last = first
        for target in following:
            ahead, at = ahead + last * (target - at), target
            last = (ahead - denoise(ahead, target)) / target
            slope = slope + (last - first) * (target / ((len(following) + 1) * start))
        x = x + slope * (sigma_next - sigma)
        yield x


def dpmpp_2m(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Solve by DPM-Solver++(2M): two-step in λ = -log σ, on x̂₀ (Lu et al. 2022, Alg. 2)."""
    denoised_before: X | None = None
    h_before = 0.0
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        target = denoised
        h = math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        if denoised_before is not None and sigma_next > 0:
            lean = h / (2 * h_before)
            target = denoised * (1 + lean) - denoised_before * lean
        keep = sigma_next / sigma  # = e^-h
        x = x * keep + target * (1 - keep)
        denoised_before, h_before = denoised, h
        yield x
