"""The solvers of the diffusion SDE, whose noise comes from a Brownian path over σ.

The path belongs to the seed, so that more steps walk the same path more finely. `eta` scales the
noise: 1 is the SDE itself, 0 the probability-flow ODE.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.noise_tables import f32
from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

from .ancestral import ancestral_split


def dpmpp_sde(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[X]:
    """Solve by stochastic DPM-Solver++: through the middle in log σ, with noise on both halves.

    Lu et al. 2022 (the singlestep solver of order 2) as k-diffusion makes it stochastic.
    """
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
            yield x
            continue
        # The path is asked at σ's that went through log σ in float32, as k-diffusion's did: a
        # Brownian tree tells apart what differs in the seventh digit.
        lam, lam_next = (f32(-f32(math.log(s))) for s in (sigma, sigma_next))
        start, middle, end = (
            f32(math.exp(-s)) for s in (lam, f32(lam + f32(lam_next - lam) / 2), lam_next)
        )
        down, up = ancestral_split(sigma, middle, eta=eta)
        keep = down / sigma
        halfway = x * keep + denoised * (1 - keep)
        if up:
            halfway = halfway + noise(start, middle) * (s_noise * up)
        target = denoise(halfway, middle)
        down, up = ancestral_split(sigma, sigma_next, eta=eta)
        keep = down / sigma
        x = x * keep + target * (1 - keep)
        if up:
            x = x + noise(start, end) * (s_noise * up)
        yield x


def dpmpp_2m_sde(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    heun: bool = False,
) -> Iterator[X]:
    """Solve by SDE-DPM-Solver++(2M) (Lu et al. 2022, §5), by midpoint or by Heun's weights."""
    before: tuple[X, float] | None = None  # x̂₀ and step length of the step before
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
            yield x
            continue
        h = math.log(sigma / sigma_next)
        decay = h * (1 + eta)
        gain = -math.expm1(-decay)  # = 1 - e^-decay
        x = x * math.exp(-decay) + denoised * gain
        if before is not None:
            denoised_before, h_before = before
            weight = 1 - gain / decay if heun else gain / 2
            x = x + (denoised - denoised_before) * (weight * h / h_before)
        if eta:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x = x + noise(sigma, sigma_next) * (s_noise * spread)
        before = (denoised, h)
        yield x


def dpmpp_3m_sde(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[X]:
    """Solve by SDE-DPM-Solver++(3M): three-step in λ = -log σ, on x̂₀ (as in k-diffusion)."""
    past: list[tuple[X, float]] = []  # x̂₀ and step length of up to two steps before, newest first
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
            yield x
            continue
        h = math.log(sigma / sigma_next)
        decay = h * (1 + eta)
        phi_1 = -math.expm1(-decay)
        phi_2 = 1 - phi_1 / decay
        x = x * math.exp(-decay) + denoised * phi_1
        if past:
            (denoised_1, h_1), *older = past
            slope = (denoised - denoised_1) * (h / h_1)
            if older:
                [(denoised_2, h_2)] = older
                slope_before = (denoised_1 - denoised_2) * (h / h_2)
                bend = (slope - slope_before) * (h / (h_1 + h_2))
                slope = slope + bend * (h_1 / h)
                x = x - bend * (phi_2 / decay - 0.5)
            x = x + slope * phi_2
        if eta:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x = x + noise(sigma, sigma_next) * (s_noise * spread)
        past = [(denoised, h), *past[:1]]
        yield x
