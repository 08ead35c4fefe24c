"""Owns the schedules: the noise levels σ at which a sampler stops, and the table of their names.

A schedule is a function `(n, *, table, …) -> σ's`, decreasing and ending in 0. Its other
keyword-only parameters are the options that a user may set; there is no second list of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .options import option_defaults
from .training import TrainingTable, f32, linspace32

Sigmas = tuple[float, ...]


def uniform(n: int, *, table: TrainingTable) -> Sigmas:
    """Evenly spaced in training timesteps, over the whole table."""
    return (*(table.sigma(t) for t in linspace32(len(table.sigmas) - 1, 0, n)), 0.0)


def karras(
    n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float, rho: float = 7.0
) -> Sigmas:
    """Evenly spaced in σ^(1/ρ): small steps where σ is small (Karras et al. 2022, eq. 5)."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    start, span = f32(high), f32(low - high)
    return (*(f32(f32(start + f32(u * span)) ** rho) for u in linspace32(0, 1, n)), 0.0)


def exponential(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Evenly spaced in log σ."""
    logs = linspace32(math.log(sigma_max), math.log(sigma_min), n)
    return (*(f32(math.exp(log)) for log in logs), 0.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named schedule: A1111's label, the function, and the other names people use."""

    name: str
    function: Callable[..., Sigmas]
    advice: str
    aliases: tuple[str, ...] = ()

    def options(self) -> dict[str, object]:
        """What a user may set: sigma_min, sigma_max, rho … with the default, None for the table's.

        `table` is the model's own and so is no option.
        """
        return {k: v for k, v in option_defaults(self.function).items() if k != "table"}

    def __call__(self, n: int, *, table: TrainingTable, **options: float | None) -> Sigmas:
        """n intervals: n decreasing σ's and a final 0. Options left None take their default."""
        legal = self.options()
        ends = {"sigma_min": table.sigma_min, "sigma_max": table.sigma_max}
        chosen = {k: v for k, v in ends.items() if k in legal}
        chosen |= {k: v for k, v in options.items() if v is not None}
        return self.function(n, table=table, **chosen)


SCHEDULES: tuple[Schedule, ...] = (
    Schedule("Uniform", uniform, "even in training timesteps, whatever their noise"),
    Schedule("Karras", karras, "more steps where little noise is left", ("ka",)),
    Schedule("Exponential", exponential, "even in log σ", ("exp",)),
)
