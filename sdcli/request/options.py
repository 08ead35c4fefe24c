"""What a choice of sampler and schedule allows: canonical names, and which options fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sdcli.errors import UsageError
from sdcli.prompts.lora_tags import tagged
from sdcli.sampling import AUTOMATIC, SAMPLERS, Sampler, resolve, resolve_schedule, split_name
from sdcli.sampling.schedules.custom import parse_sigmas, parse_timesteps

from .fields import field_error

Result = TypeVar("Result")

SOLVER_OPTIONS = ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "rtol", "atol", "max_evals")
SCHEDULE_OPTIONS = ("sigma_min", "sigma_max", "rho")
LISTED = {"sigmas": parse_sigmas, "timesteps": parse_timesteps}


def canonical(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with canonical names, and None for options equal to their default."""
    values = dict(data)
    if isinstance(values.get("rng"), str):
        values["rng"] = values["rng"].lower()
    loras = names_of(values.get("lora"))
    if loras and isinstance(values.get("prompt", ""), str):
        for key in ("prompt", "hires_prompt"):
            if key == "prompt" or isinstance(values.get(key), str):
                values[key] = _look_up("lora", tagged, values.get(key, ""), loras)
        values["lora"] = ()
    typed = _schedule_typed(values)
    name = values.get("sampler", SAMPLERS[0].name)
    schedule = values.get("scheduler", AUTOMATIC)
    if isinstance(name, str) and isinstance(schedule, str):
        if schedule.casefold() != AUTOMATIC.casefold():
            _look_up("scheduler", resolve_schedule, schedule)
        sampler = _look_up("sampler", resolve, name, schedule)
        values |= {"sampler": sampler.name, "scheduler": sampler.schedule}
        for key, default in legal_options(sampler).items():
            if default is not None and _same(values.get(key), default):
                values[key] = None
    if isinstance(name := values.get("hires_sampler"), str):
        _canonical_hires(values, name, typed)
    if isinstance(name := values.get("hires_scheduler"), str) and name.casefold() != "automatic":
        values["hires_scheduler"] = _look_up("hires_scheduler", resolve_schedule, name).name
    for key, parse in LISTED.items():
        if isinstance(values.get(key), str):
            values[key] = _look_up(key, parse, values[key])
        if isinstance(values.get(key), Sequence) and "steps" not in values:
            values["steps"] = len(values[key]) - (key == "sigmas")
    return values


def _schedule_typed(values: Mapping[str, Any]) -> str:
    """Return the schedule that is named, by itself or after the sampler's name; else Automatic."""
    schedule, name = values.get("scheduler", AUTOMATIC), values.get("sampler", "")
    if not isinstance(schedule, str) or not isinstance(name, str):
        return AUTOMATIC
    return schedule if schedule.casefold() != AUTOMATIC.casefold() else split_name(name)[1]


def _canonical_hires(values: dict[str, Any], name: str, typed: str) -> None:
    """Set the second pass's sampler and schedule: its own, else the one named for the first."""
    plain, own = split_name(name)
    schedule = values.get("hires_scheduler") or own
    if schedule == AUTOMATIC and not values.get("hires_scheduler") and plain and not plain.grid:
        schedule = typed
    sampler = _look_up("hires_sampler", resolve, name, schedule)
    values |= {"hires_sampler": sampler.name, "hires_scheduler": sampler.schedule}


def check_listed(sampler: Sampler, key: str, levels: Sequence[float], *, steps: int) -> None:
    """Raise a field error where listed noise levels (`key`: sigmas or timesteps) do not fit."""
    intervals = len(levels) - (key == "sigmas")
    if sampler.ends_only:
        raise field_error(key, f"{sampler.name} chooses its own noise levels")
    if sampler.schedule != AUTOMATIC:
        raise field_error(
            "scheduler", f"schedule {sampler.schedule} has no effect when {key} are listed"
        )
    if steps != intervals:
        raise field_error(
            "steps", f"{intervals} {key} are listed, so steps must be {intervals} or unset"
        )


def names_of(value: Any) -> tuple[str, ...]:
    """Return one name or several, as flags and files give them; none for anything else."""
    if isinstance(value, str):
        return (value,)
    several = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return tuple(value) if several else ()


def check_options(
    sampler: Sampler, options: Mapping[str, Any], *, steps: int, scheduled: bool
) -> None:
    """Raise a field error for an option that would be ignored, or cannot work.

    `scheduled` is whether a schedule chooses the noise levels, not a list of them.
    """
    legal = legal_options(sampler)
    for key in options:
        if key in SCHEDULE_OPTIONS and not scheduled:
            raise field_error(key, f"listed noise levels have no {key}")
        if key not in legal and key in SCHEDULE_OPTIONS:
            raise field_error(key, f"schedule {sampler.resolved_schedule.name} has no {key}")
        if key not in legal:
            having = ", ".join(row.name for row in SAMPLERS if key in row.options)
            raise field_error(
                key, f"{sampler.name} has no {key}", f"samplers that have it: {having}"
            )
    if options.get("sigma_min", 0.0) >= options.get("sigma_max", float("inf")):
        raise field_error("sigma_min", "sigma_min must be below sigma_max")
    if steps < sampler.least_steps:
        raise field_error(
            "steps", f"{sampler.name} needs at least {sampler.least_steps} steps, got {steps}"
        )


def legal_options(sampler: Sampler) -> dict[str, Any]:
    """Return every option of the sampler and its schedule, with its default (None: the model's)."""
    return sampler.options | sampler.resolved_schedule.options()


def obeys_ensd(sampler: Sampler, options: Mapping[str, Any]) -> bool:
    """Return whether a run with these options draws noise after the first that ENSD seeds anew.

    A Brownian path belongs to the seed itself.
    """
    if sampler.brownian:
        return False
    if options.get("s_churn"):
        return True
    if "eta" in sampler.options:
        return bool(options.get("eta", sampler.options["eta"]))
    return sampler.stochastic


def draws_noise(sampler: Sampler, options: Mapping[str, Any]) -> bool:
    """Return whether a run with these options draws any noise after the first, path or not."""
    if sampler.brownian:
        return bool(options.get("eta", 1))
    return obeys_ensd(sampler, options)


def _look_up(field: str, table: Callable[..., Result], *names: Any) -> Result:
    try:
        return table(*names)
    except UsageError as error:
        raise field_error(field, error.message, error.hint) from error


def _same(value: Any, default: float) -> bool:
    try:
        return float(value) == default  # given may still be text, as it was typed
    except (TypeError, ValueError, OverflowError):
        return False
