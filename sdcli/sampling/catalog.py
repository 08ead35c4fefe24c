"""Owns the table of samplers and `resolve`, which finds a row by any name that people know it by.

The table is in A1111's order; `sdcli samplers`, completion, README and the tests are read off it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sdcli.errors import UsageError, did_you_mean

from .ancestral import euler_ancestral
from .ode import dpmpp_2m, euler, heun
from .options import option_defaults
from .protocols import Denoise, Noise, Sigmas, Solver, X
from .schedules import SCHEDULES, Schedule
from .training import TrainingTable, scaled_linear

AUTOMATIC = "Automatic"


@dataclass(frozen=True, slots=True)
class Sampler:
    """A recipe: one of A1111's names, as a solver on a schedule.

    `order` is the measured order of convergence of the solver on its own (for a stochastic one:
    with eta 0). `evaluations` is the number of model calls a step; the last step takes one.
    `discards_penultimate`: the schedule is made one step longer and loses the σ before its 0.
    """

    name: str
    solver: Solver
    default_schedule: str
    order: int
    advice: str
    evaluations: int = 1
    stochastic: bool = False
    discards_penultimate: bool = False
    aliases: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = AUTOMATIC

    @property
    def options(self) -> dict[str, Any]:
        """The solver's options and their defaults, without those that this row fixes."""
        defaults = option_defaults(self.solver)
        return {key: value for key, value in defaults.items() if key not in self.fixed}

    @property
    def resolved_schedule(self) -> Schedule:
        """The schedule that runs: the chosen one, or this sampler's own under Automatic."""
        chosen = self.default_schedule if self.schedule == AUTOMATIC else self.schedule
        return resolve_schedule(chosen)

    def sigmas(
        self, steps: int, *, table: TrainingTable | None = None, **options: float | None
    ) -> tuple[float, ...]:
        """The σ's of a run of `steps` ≥ 1 steps: steps + 1 values ending in 0.

        `table` is Stable Diffusion 1's unless given. Options (sigma_min, sigma_max, rho) are the
        schedule's. Raises UsageError for an option that the schedule does not have.
        """
        if steps < 1:
            raise UsageError(f"steps must be at least 1, got {steps}")
        schedule = self.resolved_schedule
        given = {key: value for key, value in options.items() if value is not None}
        _refuse_unknown(given, schedule.options(), f"schedule {schedule.name}")
        table = table or scaled_linear()
        if not self.discards_penultimate:
            return schedule(steps, table=table, **given)
        longer = schedule(steps + 1, table=table, **given)
        return (*longer[:-2], longer[-1])

    def solve(
        self, denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], **options: Any
    ) -> Iterator[X]:
        """Yield x after every step; options by keyword (eta=, s_churn=, …).

        Raises UsageError at once, before the first step, for an option that it does not have.
        """
        _refuse_unknown(options, self.options, self.name)
        return self.solver(denoise, x, sigmas, noise, **self.fixed, **options)

    def total_evaluations(self, steps: int) -> int:
        """Model calls of a run of `steps` steps."""
        return self.evaluations * (steps - 1) + 1


def _refuse_unknown(given: Collection[str], legal: Collection[str], owner: str) -> None:
    for key in given:
        if key not in legal:
            has = ", ".join(legal) or "no options"
            raise UsageError(f"{owner} has no {key}", f"it has {has}")


SAMPLERS: tuple[Sampler, ...] = (
    Sampler(
        "DPM++ 2M",
        dpmpp_2m,
        "Karras",
        order=2,
        advice="good in few steps, and settles; the default",
        aliases=("k_dpmpp_2m", "dpmpp_2m"),
    ),
    Sampler(
        "Euler a",
        euler_ancestral,
        "Uniform",
        order=1,
        stochastic=True,
        advice="soft and varied; never settles, each step count is another picture",
        aliases=("k_euler_a", "k_euler_ancestral", "euler_ancestral"),
    ),
    Sampler(
        "Euler",
        euler,
        "Uniform",
        order=1,
        advice="the plainest; settles slowly",
        aliases=("k_euler",),
    ),
    Sampler(
        "Heun",
        heun,
        "Uniform",
        order=2,
        evaluations=2,
        advice="Euler with a correction, at twice the cost a step",
        aliases=("k_heun",),
    ),
)


def _key(name: str) -> str:
    """Names are compared without regard to case, spaces, underscores and hyphens."""
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


@cache
def _schedules_by_key() -> dict[str, Schedule]:
    return {_key(name): row for row in SCHEDULES for name in (row.name, *row.aliases)}


@cache
def _samplers_by_key() -> dict[str, Sampler]:
    return {_key(name): row for row in SAMPLERS for name in (row.name, *row.aliases)}


def resolve_schedule(name: str) -> Schedule:
    """The schedule of that name. Raises UsageError with the nearest names."""
    row = _schedules_by_key().get(_key(name))
    if row is None:
        names = [row.name for row in SCHEDULES]
        hint = did_you_mean(name, names) or f"known: {AUTOMATIC}, {', '.join(names)}"
        raise UsageError(f"unknown schedule {name!r}", hint)
    return row


def resolve(name: str, schedule: str = AUTOMATIC) -> Sampler:
    """The sampler of that name, its `schedule` set.

    `name` is a display name, an alias, or an old combined name ("DPM++ 2M Karras"); case and
    spaces do not matter. Naming the sampler's own schedule is the same as Automatic. Raises
    UsageError with the nearest names, or where name and `schedule` contradict each other.
    """
    row, suffix = split_name(name)
    if row is None:
        combined = [f"{row.name} {schedule.name}" for row in SAMPLERS for schedule in SCHEDULES]
        hint = did_you_mean(name, [*(row.name for row in SAMPLERS), *combined])
        raise UsageError(f"unknown sampler {name!r}", hint or "see `sdcli samplers`")
    chosen = suffix
    if _key(schedule) != _key(AUTOMATIC):
        chosen = resolve_schedule(schedule).name
        if suffix not in (AUTOMATIC, chosen):
            raise UsageError(
                f"sampler {name!r} already names the schedule {suffix}, not {chosen}",
                f"use sampler {row.name!r} with schedule {chosen!r}",
            )
    return replace(row, schedule=AUTOMATIC if chosen == row.default_schedule else chosen)


def split_name(name: str) -> tuple[Sampler | None, str]:
    """A name's sampler (None if unknown) and the schedule that it ends in, else Automatic."""
    key = _key(name)
    samplers = _samplers_by_key()
    if key in samplers:
        return samplers[key], AUTOMATIC
    for suffix, schedule in _schedules_by_key().items():
        if key.endswith(suffix) and key.removesuffix(suffix) in samplers:
            return samplers[key.removesuffix(suffix)], schedule.name
    automatic = samplers.get(key.removesuffix(_key(AUTOMATIC)))
    return automatic, AUTOMATIC
