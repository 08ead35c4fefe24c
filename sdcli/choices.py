"""Owns what a choice of sampler and schedule allows: canonical names, and which options fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from .errors import UsageError
from .prompts.composition import shares
from .prompts.networks import split, tagged
from .prompts.timeline import Pass, timeline
from .sampling import AUTOMATIC, SAMPLERS, Sampler, resolve, resolve_schedule
from .sampling.listed import parse_sigmas, parse_timesteps

Found = TypeVar("Found")

SOLVER_OPTIONS = ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "rtol", "atol", "max_evals")
SCHEDULE_OPTIONS = ("sigma_min", "sigma_max", "rho")
# What only a picture to begin from gives a meaning, and what each is where nothing is asked for.
FROM_PICTURE: Mapping[str, Any] = {
    "strength": None,
    "full_steps": False,
    "resize_mode": "just",
    "noise_multiplier": 1.0,
    "extra_noise": 0.0,
}
GUIDED = ("cfg_rescale", "mimic_scale", "skip_early_cfg", "ngms")
LISTED = {"sigmas": parse_sigmas, "timesteps": parse_timesteps}


def canonical(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values with canonical names, and None for options equal to their default."""
    values = dict(data)
    if isinstance(values.get("rng"), str):
        values["rng"] = values["rng"].lower()
    loras = names_of(values.get("lora"))
    if loras and isinstance(values.get("prompt", ""), str):
        values["prompt"] = _look_up("lora", tagged, values.get("prompt", ""), loras)
        values["lora"] = ()
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
    for key, parse in LISTED.items():
        if isinstance(values.get(key), str):
            values[key] = _look_up(key, parse, values[key])
        if isinstance(values.get(key), Sequence) and "steps" not in values:
            values["steps"] = len(values[key]) - (key == "sigmas")
    return values


def check_listed(sampler: Sampler, key: str, levels: Sequence[float], *, steps: int) -> None:
    """Raise a field error where listed noise levels (`key`: sigmas or timesteps) do not fit."""
    intervals = len(levels) - (key == "sigmas")
    if sampler.ends_only:
        raise field_error(key, f"{sampler.name} chooses its own noise levels")
    if sampler.schedule != AUTOMATIC:
        raise field_error("scheduler", f"with {key} listed, schedule {sampler.schedule} has no use")
    if steps != intervals:
        raise field_error("steps", f"{intervals} {key} are listed, so steps must be that or unset")


def names_of(value: Any) -> tuple[str, ...]:
    """One name or several, as flags and files give them; none where they give anything else."""
    if isinstance(value, str):
        return (value,)
    several = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return tuple(value) if several else ()


def check_options(
    sampler: Sampler, given: Mapping[str, Any], *, steps: int, scheduled: bool
) -> None:
    """Raise a field error for an option that would be ignored, or cannot work.

    `scheduled` is whether a schedule chooses the noise levels, not a list of them.
    """
    legal = legal_options(sampler)
    for key in given:
        if key in SCHEDULE_OPTIONS and not scheduled:
            raise field_error(key, f"listed noise levels have no {key}")
        if key not in legal and key in SCHEDULE_OPTIONS:
            raise field_error(key, f"schedule {sampler.resolved_schedule.name} has no {key}")
        if key not in legal:
            having = ", ".join(row.name for row in SAMPLERS if key in row.options)
            raise field_error(
                key, f"{sampler.name} has no {key}", f"samplers that have it: {having}"
            )
    if given.get("sigma_min", 0.0) >= given.get("sigma_max", float("inf")):
        raise field_error("sigma_min", "sigma_min must be below sigma_max")
    if steps < sampler.least_steps:
        raise field_error(
            "steps", f"{sampler.name} needs at least {sampler.least_steps} steps, got {steps}"
        )


def check_inversion(sampler: Sampler, given: Mapping[str, Any]) -> None:
    """Raise a field error where `init_img`, `invert` and `invert_prompt` do not go together.

    Only a run without noise of its own can be undone, and only towards one plain text.
    """
    if given["invert_prompt"] is not None and not given["invert"]:
        raise field_error("invert_prompt", "without invert it would do nothing")
    if not given["invert"]:
        return
    if given["init_img"] is None:
        raise field_error("invert", "there is no picture to invert", "name it with --init-img")
    own = given["invert_prompt"]
    if own is None:
        _check_plain("invert", given["prompt"])
    else:
        _check_plain("invert_prompt", own)
    if sampler.stochastic or given["eta"] or given["s_churn"]:
        why = "draws noise of its own on the way"
    elif sampler.ends_only or sampler.unguided:
        why = "takes steps that are not those of the plain equation"
    else:
        return
    raise field_error(
        "invert",
        f"{sampler.name} {why}, so no noise leads back to the picture",
        "use Euler or DDIM; any sampler without noise will do",
    )


def check_init(sampler: Sampler, given: Mapping[str, Any]) -> None:
    """Raise a field error for what needs a picture to begin from, or does not go with one."""
    asked = next((key for key, unset in FROM_PICTURE.items() if given[key] != unset), None)
    if asked and given["init_img"] is None:
        raise field_error(asked, "there is no picture to begin from", "name it with --init-img")
    if asked and given["invert"]:
        raise field_error(asked, "an inversion begins from the picture's own noise")
    if given["init_img"] is None or given["invert"]:
        return
    if sampler.scheduler:
        raise field_error("sampler", f"{sampler.name} cannot begin from a picture here")
    listed = next((key for key in LISTED if given[key] is not None), None)
    if listed and (given["strength"] is not None or given["full_steps"]):
        key = "full_steps" if given["full_steps"] else "strength"
        raise field_error(key, f"listed {listed} say themselves where the picture enters")
    if given["full_steps"] and given["strength"] == 0:
        raise field_error("full_steps", "at strength 0 there are no steps to make")


def _check_plain(field: str, prompt: str) -> None:
    """What a picture shows does not change on the way, and is one thing."""
    text, tags = split(prompt)
    if len(shares(text)) > 1 or len(timeline(text, Pass(10))) > 1:
        raise field_error(
            field,
            "what the picture shows must be one text, without AND and without edits",
            "say it with --invert-prompt",
        )
    if field == "invert_prompt" and tags:
        raise field_error(field, "LoRAs stand in the prompt itself")


def check_guidance(sampler: Sampler, given: Mapping[str, Any]) -> None:
    """Raise a field error for a refinement of guidance that has nothing to refine."""
    asked = [key for key in GUIDED if given[key] or (key, given[key]) == ("mimic_scale", 0)]
    alone = [share.weight for share in shares(split(given["prompt"])[0])] == [1.0]
    if asked and given["cfg_scale"] == 1 and alone and not sampler.unguided:
        why = "at CFG scale 1 there is no guidance, so it would do nothing"
        raise field_error(asked[0], why, "raise --cfg")
    if given["mimic_scale"] is not None and given["cfg_scale"] <= given["mimic_scale"]:
        raise field_error("mimic_scale", "it must be below the CFG scale, or it would do nothing")
    if given["threshold_percentile"] != 1 and given["mimic_scale"] is None:
        raise field_error("threshold_percentile", "without a mimic scale it would do nothing")
    if given["ngms_all"] and not given["ngms"]:
        raise field_error("ngms_all", "without NGMS it would do nothing")


def legal_options(sampler: Sampler) -> dict[str, Any]:
    """Every option of the sampler and its schedule, with its default (None: the model's)."""
    return sampler.options | sampler.resolved_schedule.options()


def obeys_ensd(sampler: Sampler, given: Mapping[str, Any]) -> bool:
    """Whether a run with these options draws noise after the first that ENSD seeds anew.

    A Brownian path belongs to the seed itself.
    """
    if sampler.brownian:
        return False
    if given.get("s_churn"):
        return True
    if "eta" in sampler.options:
        return bool(given.get("eta", sampler.options["eta"]))
    return sampler.stochastic


def _look_up(field: str, table: Callable[..., Found], *names: Any) -> Found:
    try:
        return table(*names)
    except UsageError as error:
        raise field_error(field, error.message, error.hint) from error


def _same(given: Any, default: float) -> bool:
    try:
        return float(given) == default  # given may still be text, as it was typed
    except (TypeError, ValueError, OverflowError):
        return False


def field_error(field: str, message: str, hint: str = "") -> PydanticCustomError:
    """An error of one field for pydantic to collect.

    `field` travels along so that layers.py can say which file and line, or flag, it came from.
    """
    return PydanticCustomError(
        "request", "{message}", {"field": field, "message": message, "hint": hint}
    )
