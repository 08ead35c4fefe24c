"""ER-SDE: the reverse SDE with an extended family of noise (Cui et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

POINTS = 200  # of the sums that stand for the paper's integrals, as the authors have it


def er_sde(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, s_noise: float = 1.0
) -> Iterator[X]:
    """Solve by ER-SDE-Solver-3 with its authors' fifth noise scale; at first by order 1 and 2."""
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
    """Return how x̂₀ changes with σ between two of its values."""
    slope: X = (one[1] - other[1]) / (one[0] - other[0])
    return slope


SNR = 0.15  # of the corrector's steps, in the paper's own experiments


def predictor_corrector(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Reverse the diffusion, then correct by Langevin at the new σ, on the VE SDE: Algorithm 2.

    The corrector's step is 2 (snr ‖z‖/‖s‖)², with √d and √d/σ for the norms: so long are noise and
    its score in d dimensions, and no image's step then depends on another's.
    """
    for sigma, sigma_next in pairwise(sigmas):
        fall = sigma**2 - sigma_next**2
        x = x + (denoise(x, sigma) - x) * (fall / sigma**2)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * math.sqrt(fall)
            step = 2 * (SNR * sigma_next) ** 2
            x = x + (denoise(x, sigma_next) - x) * (step / sigma_next**2)
            x = x + noise(sigma, sigma_next) * math.sqrt(2 * step)
        yield x


def euler_maruyama(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Solve the VP SDE by Euler–Maruyama: x/√(1+σ²) with ∫β dt = log((1+σ²)/(1+σ'²)) for βΔt."""
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
        else:
            shrink, shrink_next = math.hypot(1, sigma), math.hypot(1, sigma_next)
            beta = 2 * math.log(shrink / shrink_next)
            drift = x * ((1 + beta / 2) / shrink) + (denoised - x) * (beta * shrink / sigma**2)
            x = (drift + noise(sigma, sigma_next) * math.sqrt(beta)) * shrink_next
        yield x
