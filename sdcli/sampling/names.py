"""`resolve`, which finds a sampler by any name that people know it by."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

from sdcli.errors import UsageError, did_you_mean

from .catalog import SAMPLERS
from .diffusers_rows import SHELF
from .sampler import AUTOMATIC, Sampler
from .schedules import SCHEDULES, name_key, resolve_schedule, schedules_by_key

_INVERSE = {
    name_key(name)
    for name in ("ddim_inverse", "DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler")
}


@cache
def _samplers_by_key() -> dict[str, Sampler]:
    """Return every row by each of its names' keys; a name on both shelves is our own row's."""
    rows = (*SHELF, *SAMPLERS)
    return {name_key(name): row for row in rows for name in (*row.aliases, row.name)}


@lru_cache(maxsize=1000)
def resolve(name: str, schedule: str = AUTOMATIC) -> Sampler:
    """Return the sampler of that name, its `schedule` set.

    `name` is a display name, an alias, or an old combined name ("DPM++ 2M Karras"); case and
    spaces do not matter. Naming the sampler's own schedule is the same as Automatic. Raises
    UsageError with the nearest names, or where name and `schedule` contradict each other.
    """
    row, suffix = split_name(name)
    if name_key(name) in _INVERSE:
        raise UsageError(
            f"{name} turns a picture into noise and makes no picture",
            "`sdcli gen PROMPT --init-img IMAGE --invert` does that and makes a picture of it",
        )
    if row is None:
        combined = [
            f"{row.name} {schedule.name}"
            for row in SAMPLERS
            if row.grid is None
            for schedule in SCHEDULES
        ]
        hint = did_you_mean(name, [*(row.name for row in (*SAMPLERS, *SHELF)), *combined])
        raise UsageError(f"unknown sampler {name!r}", hint or "see `sdcli samplers`")
    chosen = suffix
    if name_key(schedule) != name_key(AUTOMATIC):
        chosen = resolve_schedule(schedule).name
        if suffix not in (AUTOMATIC, chosen):
            raise UsageError(
                f"sampler {name!r} already names the schedule {suffix}, not {chosen}",
                f"use sampler {row.name!r} with schedule {chosen!r}",
            )
    if row.grid is not None:
        if chosen != AUTOMATIC:
            raise UsageError(
                f"{row.name} has its own noise levels, so schedule {chosen} has no effect",
                f"use sampler {row.name!r} alone",
            )
        return row
    return replace(row, schedule=AUTOMATIC if chosen == row.default_schedule else chosen)


@lru_cache(maxsize=1000)
def split_name(name: str) -> tuple[Sampler | None, str]:
    """Return a name's sampler (None if unknown) and the schedule it ends in, else Automatic."""
    key = name_key(name)
    samplers = _samplers_by_key()
    if key in samplers:
        return samplers[key], AUTOMATIC
    for suffix, schedule in schedules_by_key().items():
        if key.endswith(suffix) and key.removesuffix(suffix) in samplers:
            return samplers[key.removesuffix(suffix)], schedule.name
    automatic = samplers.get(key.removesuffix(name_key(AUTOMATIC)))
    return automatic, AUTOMATIC
