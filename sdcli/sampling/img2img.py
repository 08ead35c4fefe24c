"""Where a picture enters a run (img2img): the σ's that are left, and the σ of its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sdcli.sampling.schedules.fixed_grids import (
    EVEN_TIMES,
    LOG_EVEN,
    ddim_timesteps,
    even_times_from,
)

from .noise_tables import TrainingTable
from .protocols import Sigmas
from .sampler import Sampler
from .schedules import resolve_schedule

_MOST = 0.999  # of the strength: A1111 never leaves out the last step


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a run, over `sigmas`; none are left where the strength is too small for a step.

    The picture gets noise of level `noise`, which is the first of them, but for the samplers of
    unit variance: A1111 gives these the noise of one timestep more than they begin with. `whole`
    are the σ's of a run without a picture: a Brownian path spans them all.
    """

    sigmas: Sigmas
    noise: float
    whole: Sigmas


def steps_left(steps: int, strength: float, *, full: bool) -> tuple[int, int]:
    """Return the schedule's steps and the place from its end where a picture enters, as in A1111.

    One step more is left than that place: `strength` of the steps, rounded down, and the last.
    With `full` the schedule is made longer instead, so that all `steps` are left.
    """
    if strength == 0:
        return steps, -1
    share = min(strength, _MOST)
    return (int(steps / share), steps - 1) if full else (steps, int(share * steps))


def entered(
    sampler: Sampler,
    steps: int,
    strength: float,
    *,
    full: bool = False,
    table: TrainingTable,
    **options: Any,
) -> Tail:
    """Return the tail of a run of that many steps that `strength` (0 to 1) leaves.

    Raises UsageError as `Sampler.sigmas` does.
    """
    count, place = steps_left(steps, strength, full=full)
    if sampler.grid is LOG_EVEN:  # which only knows its ends
        uniform = resolve_schedule("Uniform")(count, table=table)
        tail = uniform[count - place - 1 :]
        if len(tail) < 3:  # both ends would be one
            return Tail((), 0.0, uniform)
        ends = {"sigma_max": tail[0], "sigma_min": tail[-2], **options}
        sigmas = sampler.sigmas(len(tail) - 1, table=table, **ends)
        return Tail(sigmas, sigmas[0], uniform)
    whole = sampler.sigmas(count, table=table, **options)
    if not sampler.unit_start:
        sigmas = whole[count - place - 1 :]
        return Tail(sigmas, sigmas[0], whole) if len(sigmas) > 1 else Tail((), 0.0, whole)
    levels = ddim_timesteps(count, table=table)
    if place < sampler.least_steps:
        return Tail((), 0.0, whole)
    sigmas = levels[len(levels) - place :]
    if sampler.grid is EVEN_TIMES:
        start = (table.timestep(sigmas[0]) + 1) / len(table.sigmas)
        sigmas = even_times_from(start, place, table=table)
    return Tail(sigmas, levels[len(levels) - place - 1], whole)
