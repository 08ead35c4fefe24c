"""Owns the solvers of the probability-flow ODE: same noise in, same picture out.

A solver is a generator over x, which is anything with + - * /: a float in a test, a tensor in a
picture. It yields x after every step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from .protocols import Denoise, Noise, Sigmas, X

_MOST_CHURN = math.sqrt(2) - 1


def _churned(
    x: X,
    sigma: float,
    noise: Noise[X],
    *,
    gamma: float,
    s_tmin: float,
    s_tmax: float,
    s_noise: float,
) -> tuple[X, float]:
    """Raise the noise level from σ to σ(1+γ) before a step (Karras et al. 2022, Alg. 2)."""
    if gamma == 0:
        return x, sigma
    eps = noise(sigma, sigma)  # A1111 draws outside [s_tmin, s_tmax] too; the stream must agree
    if not s_tmin <= sigma <= s_tmax:
        return x, sigma
    sigma_hat = sigma * (1 + gamma)
    return x + eps * (s_noise * math.sqrt(sigma_hat**2 - sigma**2)), sigma_hat


def euler(
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
    """One slope a step (Karras et al. 2022, Alg. 2 without its correction)."""
    gamma = min(s_churn / (len(sigmas) - 1), _MOST_CHURN)
    for sigma, sigma_next in pairwise(sigmas):
        x, sigma_hat = _churned(
            x, sigma, noise, gamma=gamma, s_tmin=s_tmin, s_tmax=s_tmax, s_noise=s_noise
        )
        slope = (x - denoise(x, sigma_hat)) / sigma_hat
        x = x + slope * (sigma_next - sigma_hat)
        yield x


def heun(
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
    """The mean of the slopes at both ends of a step; the last step is Euler's (ibid., Alg. 2)."""
    gamma = min(s_churn / (len(sigmas) - 1), _MOST_CHURN)
    for sigma, sigma_next in pairwise(sigmas):
        x, sigma_hat = _churned(
            x, sigma, noise, gamma=gamma, s_tmin=s_tmin, s_tmax=s_tmax, s_noise=s_noise
        )
        step = sigma_next - sigma_hat
        slope = (x - denoise(x, sigma_hat)) / sigma_hat
        ahead = x + slope * step
        if sigma_next > 0:
            slope_ahead = (ahead - denoise(ahead, sigma_next)) / sigma_next
            ahead = x + (slope + slope_ahead) * (step / 2)
        x = ahead
        yield x


def dpmpp_2m(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """DPM-Solver++(2M): two-step multistep in λ = -log σ, on x̂₀ (Lu et al. 2022, Alg. 2)."""
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
