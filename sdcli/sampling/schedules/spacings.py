"""The formulas by which schedules space their σ's.

All take the number of intervals and the model's training table; `sigma_min` and `sigma_max` are the
table's ends unless a user sets them. Values are rounded to float32 wherever A1111 holds a float32.
"""

from __future__ import annotations

import math

from sdcli.sampling.noise_tables import TrainingTable, f32, linspace32

from .beta import inverse_incomplete_beta

Sigmas = tuple[float, ...]


def uniform(n: int, *, table: TrainingTable) -> Sigmas:
    """Space σ's evenly in training timesteps, over the whole table."""
    return (*(table.sigma(t) for t in linspace32(len(table.sigmas) - 1, 0, n)), 0.0)


def karras(
    n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float, rho: float = 7.0
) -> Sigmas:
    """Space σ's evenly in σ^(1/ρ): small steps where σ is small (Karras et al. 2022, eq. 5)."""
    return (*karras_between(sigma_max, sigma_min, n, rho=rho), 0.0)


def karras_between(sigma_max: float, sigma_min: float, n: int, *, rho: float = 7.0) -> Sigmas:
    """Return n values from the greatest to the least, both included, without the final 0."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    start, span = f32(high), f32(low - high)
    return tuple(f32(f32(start + f32(u * span)) ** rho) for u in linspace32(0, 1, n))


def exponential(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Space σ's evenly in log σ."""
    logs = linspace32(math.log(sigma_max), math.log(sigma_min), n)
    return (*(f32(math.exp(log)) for log in logs), 0.0)


def polyexponential(
    n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float, rho: float = 1.0
) -> Sigmas:
    """Space σ's evenly in log σ to the power 1/ρ; with ρ 1 as the exponential one does."""
    span, low = f32(math.log(sigma_max) - math.log(sigma_min)), f32(math.log(sigma_min))
    ramp = (f32(u**rho) for u in linspace32(1, 0, n))
    return (*(f32(math.exp(f32(f32(u * span) + low))) for u in ramp), 0.0)


def sgm_uniform(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Space σ's evenly in training timesteps, of which the last is 0 itself (Stability's sgm)."""
    first, last = table.timestep(sigma_max), table.timestep(sigma_min)
    return (*(table.sigma(t) for t in linspace32(first, last, n + 1)[:-1]), 0.0)


def kl_optimal(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Space σ's evenly in arctan σ, both ends included and no 0 after them (Sabour et al. 2024)."""
    low, high = f32(math.atan(sigma_min)), f32(math.atan(sigma_max))
    shares = [f32(i / n) for i in range(n + 1)]
    return tuple(f32(math.tan(f32(f32(u * low) + f32(f32(1 - u) * high)))) for u in shares)


def simple(n: int, *, table: TrainingTable) -> Sigmas:
    """Take entries of the training table at even distances, from its greatest σ down."""
    stride = len(table.sigmas) / n
    return (*(table.sigmas[-1 - int(i * stride)] for i in range(n)), 0.0)


def normal(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Space σ's evenly in training timesteps between the two ends."""
    first, last = table.timestep(sigma_max), table.timestep(sigma_min)
    return (*(table.sigma(t) for t in linspace32(first, last, n)), 0.0)


def ddim(n: int, *, table: TrainingTable) -> Sigmas:
    """Return every (T//n)-th entry of the training table; more than n where n does not divide T."""
    stride = max(len(table.sigmas) // n, 1)
    return (*reversed(table.sigmas[1::stride]), 0.0)


def beta(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Take quantiles of a Beta(0.6, 0.6) distribution between the ends (Lee et al. 2024).

    They are taken on σ itself, as A1111 1.10.1 has it; the paper's are on timesteps.
    """
    shares = (inverse_incomplete_beta(1 - i / max(n - 1, 1), 0.6, 0.6) for i in range(n))
    return (*(f32(sigma_min + u * (sigma_max - sigma_min)) for u in shares), 0.0)


def turbo(n: int, *, table: TrainingTable) -> Sigmas:
    """Take whole timesteps from the last one down at even distances: 999, 749, 499, 249 for n = 4.

    They are those that SD Turbo was distilled on, as Forge has them ("trailing" in diffusers).
    """
    count = len(table.sigmas)
    timesteps = (round(count * (n - i) / n - 1) for i in range(n))
    return (*(table.sigmas[max(t, 0)] for t in timesteps), 0.0)


_SLOW_SHARE = 0.025  # share of σ's range that the slow half covers


def linear_quadratic(n: int, *, table: TrainingTable, sigma_max: float) -> Sigmas:
    """Take even small steps for the first half, then ever larger ones (Polyak et al. 2024, §3.3).

    As Genmo's Mochi and ComfyUI have it: σ/σ_max falls by 0.025 in the first n//2 steps, then along
    the parabola that goes on at the same slope and ends at 0.
    """
    half = n // 2
    if half == 0:
        return (f32(sigma_max), 0.0)
    slope, rest = _SLOW_SHARE / half, n - half
    bend = (1 - _SLOW_SHARE - slope * rest) / rest**2
    falls = (slope * i + bend * max(i - half, 0) ** 2 for i in range(n))
    return (*(f32(sigma_max * (1 - fall)) for fall in falls), 0.0)
