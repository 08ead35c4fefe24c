"""The table of schedules: the noise levels σ at which a sampler stops, by A1111's names.

A schedule is a function `(n, *, table, …) -> σ's`, decreasing and usually ending in 0
(`spacings.py`). Its other keyword-only parameters are the options that a user may set; there is no
second list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from sdcli.errors import UsageError, did_you_mean
from sdcli.sampling.noise_tables import TrainingTable
from sdcli.sampling.protocols import option_defaults

from .optimized import align_your_steps, align_your_steps_32, gits
from .spacings import (
    Sigmas,
    beta,
    ddim,
    exponential,
    karras,
    kl_optimal,
    linear_quadratic,
    normal,
    polyexponential,
    sgm_uniform,
    simple,
    turbo,
    uniform,
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named schedule: A1111's label, the function, and the other names people use."""

    name: str
    function: Callable[..., Sigmas]
    advice: str
    aliases: tuple[str, ...] = ()

    def options(self) -> dict[str, object]:
        """Return what a user may set, sigma_min, rho …, with the default, None for the table's.

        `table` is the model's own and so is no option.
        """
        return {k: v for k, v in option_defaults(self.function).items() if k != "table"}

    def __call__(self, n: int, *, table: TrainingTable, **options: float | None) -> Sigmas:
        """Make n intervals: n decreasing σ's, a final 0. Options left None take their default."""
        legal = self.options()
        ends = {"sigma_min": table.sigma_min, "sigma_max": table.sigma_max}
        chosen = {k: v for k, v in ends.items() if k in legal}
        chosen |= {k: v for k, v in options.items() if v is not None}
        return self.function(n, table=table, **chosen)


SCHEDULES: tuple[Schedule, ...] = (
    Schedule("Uniform", uniform, "even in training timesteps, whatever their noise", ("discrete",)),
    Schedule("Karras", karras, "more steps where little noise is left", ("ka",)),
    Schedule("Exponential", exponential, "even in log σ", ("exp",)),
    Schedule("Polyexponential", polyexponential, "even in log σ to the power --rho"),
    Schedule("SGM Uniform", sgm_uniform, "even in timesteps, without the last one"),
    Schedule("KL Optimal", kl_optimal, "even in the arctangent of σ; ends above 0"),
    Schedule("Align Your Steps", align_your_steps, "optimized for few steps", ("ays",)),
    Schedule("Simple", simple, "entries of the training table at even distances"),
    Schedule("Normal", normal, "Uniform that obeys --sigma-min and --sigma-max"),
    Schedule("DDIM", ddim, "the timesteps of DDIM, and 0", ("ddim_uniform",)),
    Schedule("Beta", beta, "many steps at both ends"),
    Schedule("Align Your Steps 32", align_your_steps_32, "the same, optimized for 31", ("ays_32",)),
    Schedule("Align Your Steps GITS", gits, "large steps early, for few in all", ("ays_gits",)),
    Schedule("Linear Quadratic", linear_quadratic, "half of the steps at the very start"),
    Schedule("Turbo", turbo, "for SD Turbo: 1 to 4 steps"),
)


def name_key(name: str) -> str:
    """Return a name without case, spaces, underscores and hyphens, for comparison."""
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


@cache
def schedules_by_key() -> dict[str, Schedule]:
    """Return every schedule by each of its names' keys."""
    return {name_key(name): row for row in SCHEDULES for name in (row.name, *row.aliases)}


def resolve_schedule(name: str) -> Schedule:
    """Return the schedule of that name. Raises UsageError with the nearest names."""
    row = schedules_by_key().get(name_key(name))
    if row is None:
        names = [row.name for row in SCHEDULES]
        hint = did_you_mean(name, names) or f"known: Automatic, {', '.join(names)}"
        raise UsageError(f"unknown schedule {name!r}", hint)
    return row
