"""Sampler: a recipe that picks a solver, where it stops, and what noise it wants."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sdcli.errors import UsageError

from .noise_tables import TrainingTable, scaled_linear
from .paths import EPSILON, NoisePath
from .protocols import Denoise, Noise, Sigmas, Solver, X, option_defaults
from .schedules import Schedule, resolve_schedule
from .trace import TracedStep, noises, trace

AUTOMATIC = "Automatic"


@dataclass(frozen=True, slots=True)
class Sampler:
    """A recipe: a name that people know, as a solver on a schedule.

    - `order`: the measured order of convergence of the solver on its own (for a stochastic one,
      with eta 0; for a multistep one, once it is under way); 0 where there is none.
    - `evaluations`: model calls of most steps; the last one takes fewer.
    - `stochastic`: draws noise on the way, unless told not to. `brownian`: that noise is a path
      over σ instead of independent draws.
    - `discards_penultimate`: the schedule is made one step longer, and loses the σ before its 0.
    - `grid`: σ's of its own, on which no schedule can be chosen.
    - `unit_start`: starts where the model is given the first noise itself, and hands over what it
      would be given; other samplers start where the noise has the size that σ says.
    - `ends_only`: takes only the ends of its σ's, and chooses those between itself.
    - `adaptive`: chooses them by what it meets, so that nobody knows how many there will be.
    - `consistency`: asks the model as one distilled for consistency.
    - `timed`: its solver needs the model's table.
    - `path`: the model's noise path, which `on` sets with the table.
    - `unguided`: its solver asks for the belief without the prompt too (GuidedDenoise).
    - `guidance_divisor`: what the guidance scale is divided by.
    - `least_steps`: with fewer there would be no model call.
    - `fixed`: options of the solver that make this row what it is.
    - `scheduler`: the class of diffusers that runs it instead of `solver`, which then only refuses.
    - `outside_options`: options of that class's step, and their defaults.
    """

    name: str
    solver: Solver
    default_schedule: str
    order: int
    advice: str
    evaluations: int = 1
    stochastic: bool = False
    discards_penultimate: bool = False
    grid: Schedule | None = None
    brownian: bool = False
    unit_start: bool = False
    ends_only: bool = False
    adaptive: bool = False
    consistency: bool = False
    timed: bool = False
    unguided: bool = False
    guidance_divisor: float = 1.0
    least_steps: int = 1
    aliases: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    scheduler: str = ""
    outside_options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = AUTOMATIC
    path: NoisePath = EPSILON

    @property
    def options(self) -> dict[str, Any]:
        """The solver's options and their defaults, without those that this row fixes."""
        defaults = {**option_defaults(self.solver), **self.outside_options}
        return {
            key: value
            for key, value in defaults.items()
            if key not in self.fixed and not (self.timed and key == "table")
        }

    @property
    def settles(self) -> str:
        """Whether more steps come ever closer to one picture: yes, slowly, or never.

        Noise along a path is the same path for every number of steps; independent noise is not.
        CFG++ guides by as much at every step, and so by more with more of them.
        """
        if self.unguided:
            return "never"
        if not self.stochastic:
            return "yes"
        return "slowly" if self.brownian else "never"

    @property
    def resolved_schedule(self) -> Schedule:
        """The schedule that runs: the chosen one, or this sampler's own under Automatic."""
        if self.grid is not None:
            return self.grid
        chosen = self.default_schedule if self.schedule == AUTOMATIC else self.schedule
        return resolve_schedule(chosen)

    def sigmas(
        self, steps: int, *, table: TrainingTable | None = None, **options: float | None
    ) -> tuple[float, ...]:
        """Return the σ's of `steps` steps: decreasing, usually steps + 1 values ending in 0.

        `table` is Stable Diffusion 1's unless given. Options (sigma_min, sigma_max, rho) are the
        schedule's. Raises UsageError for an option that the schedule does not have, and for fewer
        steps than `least_steps`.
        """
        if steps < self.least_steps:
            raise UsageError(f"{self.name} needs at least {self.least_steps} steps, got {steps}")
        schedule = self.resolved_schedule
        chosen = {key: value for key, value in options.items() if value is not None}
        _refuse_unknown(chosen, schedule.options(), f"schedule {schedule.name}")
        table = table or scaled_linear()
        if not self.discards_penultimate:
            return schedule(steps, table=table, **chosen)
        longer = schedule(steps + 1, table=table, **chosen)
        return (*longer[:-2], longer[-1])

    def on(self, table: TrainingTable, path: NoisePath = EPSILON) -> Sampler:
        """Return this row for a model with that table and path; few solvers use the table."""
        fixed = {**self.fixed, "table": table} if self.timed else self.fixed
        return replace(self, fixed=fixed, path=path)

    def start_scale(self, sigmas: Sigmas) -> float:
        """Return what the first, unit-variance noise is multiplied by."""
        scale = self.path.input_scale if self.unit_start else self.path.first_scale
        return scale(sigmas[0])

    def end_scale(self, sigma: float) -> float:
        """Return what the last state of a run to σ is multiplied by, to stand at that σ."""
        scale = self.path.input_scale if self.unit_start else self.path.last_scale
        return scale(sigma)

    def picture_scales(self, sigma: float, noise_sigma: float) -> tuple[float, float]:
        """Return the factors of clean latents and unit noise where a picture enters a run at σ.

        `noise_sigma` is the level of its noise: σ, but for the samplers of `unit_start`, in whose
        states signal and noise keep the proportions that they have there.
        """
        signal, noise = self.path.scales(noise_sigma)
        if not self.unit_start:
            return signal, noise
        scale = self.path.input_scale(sigma) / self.path.input_scale(noise_sigma)
        return scale * signal, scale * noise

    def solve(
        self, denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], **options: Any
    ) -> Iterator[X]:
        """Yield x after every step; options by keyword (eta=, s_churn=, …).

        A last state above σ 0 is handed over scaled, by `end_scale`. Raises UsageError at once,
        before the first step, for an option that it does not have.
        """
        _refuse_unknown(options, self.options, self.name)
        states = self.solver(denoise, x, sigmas, noise, **self.fixed, **options)
        scale = self.end_scale(sigmas[-1])
        return states if scale == 1 else _scaled_at_end(states, len(sigmas) - 1, scale)

    def trace(self, sigmas: Sigmas) -> list[TracedStep]:
        """Return the steps of a run over these σ's, and where each asks the model."""
        return trace(lambda denoise, x, noise: self.solve(denoise, x, sigmas, noise))

    def noises(self, sigmas: Sigmas, **options: Any) -> list[tuple[float, float]]:
        """Return the ways (σ, σ_next) for which a run over these σ's asks noise, in order."""
        return noises(lambda denoise, x, noise: self.solve(denoise, x, sigmas, noise, **options))

    def total_evaluations(self, sigmas: Sigmas) -> int | None:
        """Return the model calls of a run over these σ's; None where the run decides itself."""
        return None if self.adaptive else sum(len(step.calls) for step in self.trace(sigmas))

    def prompt_calls(self, steps: int) -> int:
        """Count model calls as a prompt's times do: as if no step, not even the last, took less.

        So A1111 counts two a step of its second-order samplers.
        """
        return steps * self.evaluations


def _scaled_at_end(states: Iterator[X], steps: int, scale: float) -> Iterator[X]:
    for step, state in enumerate(states, start=1):
        yield state / scale if step == steps else state


def _refuse_unknown(keys: Collection[str], legal: Collection[str], owner: str) -> None:
    for key in keys:
        if key not in legal:
            has = ", ".join(legal) or "no options"
            raise UsageError(f"{owner} has no {key}", f"it has {has}")
