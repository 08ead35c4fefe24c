"""The samplers of consistency models: to x̂₀ in one jump, and back up with fresh noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.noise_tables import TrainingTable, scaled_linear
from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X


def lcm(
    denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], *, s_noise: float = 1.0
) -> Iterator[X]:
    """Solve by latent consistency sampling (Luo et al. 2023, Alg. 3)."""
    for sigma, sigma_next in pairwise(sigmas):
        x = denoise(x, sigma)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * (s_noise * sigma_next)
        yield x


def tcd(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 0.3,
    table: TrainingTable | None = None,
) -> Iterator[X]:
    """Use strategic stochastic sampling (Zheng et al. 2024, Trajectory Consistency Distillation).

    Each step leads down to the share 1 - `eta` (their γ) of the next timestep, and up to it with
    fresh noise: 0 is DDIM, 1 is LCM without its boundary condition. `table` tells timesteps from
    σ's: Stable Diffusion 1's unless given.
    """
    table = table or scaled_linear()
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        down, draws = sigma_next, eta > 0 and sigma_next > 0
        if draws:
            down = table.sigma(max(0, math.floor((1 - eta) * table.timestep(sigma_next))))
        x = denoised + (x - denoised) * (down / sigma)
        if draws:
            x = x + noise(sigma, sigma_next) * math.sqrt(sigma_next**2 - down**2)
        yield x
