"""Owns the first score-based samplers, whose pipelines diffusers no longer has (Song et al. 2021).

s = (D - x)/σ² is the score. They take the reverse SDE in its plainest steps, so they want many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from .protocols import Denoise, Noise, Sigmas, X

SNR = 0.15  # of the corrector's steps, in the paper's own experiments


def predictor_corrector(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Reverse diffusion, then a Langevin corrector at the new σ, on the VE SDE: Algorithm 2.

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
    """Euler–Maruyama on the VP SDE: x/√(1+σ²) with ∫β dt = log((1+σ²)/(1+σ'²)) for βΔt."""
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
