"""The CFG++ solvers (Chung et al. 2024): to the guided x̂₀, back along the unguided noise.

They want a guidance scale near 1: the guided belief is not extrapolated along the way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.protocols import GuidedDenoise, Noise, Sigmas, X

from .ancestral import ancestral_split


def euler_cfg_pp(
    denoise: GuidedDenoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Iterator[X]:
    """Take Euler's steps; with eta above 0 the ancestral ones."""
    for sigma, sigma_next in pairwise(sigmas):
        denoised, unguided = denoise.both(x, sigma)
        down, up = ancestral_split(sigma, sigma_next, eta=eta)
        x = denoised + (x - unguided) * (down / sigma)
        if up:
            x = x + noise(sigma, sigma_next) * (s_noise * up)
        yield x


def euler_ancestral_cfg_pp(
    denoise: GuidedDenoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[X]:
    """Take Euler's steps to `down`, then add fresh noise."""
    yield from euler_cfg_pp(denoise, x, sigmas, noise, eta=eta, s_noise=s_noise)


def dpmpp_2m_cfg_pp(
    denoise: GuidedDenoise[X], x: X, sigmas: Sigmas, noise: Noise[X]
) -> Iterator[X]:
    """Solve by DPM-Solver++(2M), its linear part along the unguided belief, as ComfyUI has it."""
    unguided_before: X | None = None
    ratio_before = 1.0
    for sigma, sigma_next in pairwise(sigmas):
        denoised, unguided = denoise.both(x, sigma)
        keep = sigma_next / sigma
        x = denoised + (x - unguided) * keep
        if unguided_before is not None and sigma_next > 0:
            lean = math.log(sigma / sigma_next) / (2 * math.log(ratio_before))
            x = x + (denoised - unguided_before) * ((1 - keep) * lean)
        unguided_before = unguided
        ratio_before = sigma / sigma_next if sigma_next > 0 else math.inf
        yield x
