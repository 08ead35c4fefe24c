"""What texts of old versions of A1111, and of stable-diffusion.cpp, say otherwise than new."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcli.sampling import AUTOMATIC, split_name


def of_stable_diffusion_cpp(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Put its settings into A1111's words; leave those of other programs as they are.

    Its noise "cuda" is an NVIDIA card's, and it writes an eta for samplers that have none.
    """
    if not settings.get("Version", "").startswith("stable-diffusion.cpp"):
        return settings
    translated = {key: value for key, value in settings.items() if key != "Eta"}
    if settings.get("RNG", "").lower() == "cuda":
        translated["RNG"] = "NV"
    elif settings.get("RNG", "").lower() != "cpu":
        translated["Noise of C++"] = translated.pop("RNG", "std_default")
        translated["RNG"] = "NV"
    _, suffix = split_name(settings.get("Sampler", ""))
    if suffix == AUTOMATIC:
        translated.setdefault(
            "Schedule type", "Uniform"
        )  # which it calls discrete, and does not write
    else:
        translated.setdefault("Schedule type", suffix)
    return translated


def timelines_before_1_6(settings: Mapping[str, str], prompts: str) -> dict[str, bool]:
    """Return the setting by which pictures older than A1111 1.6 keep the old edit times."""
    version = _version(settings)
    return {"old_timelines": True} if version and version < (1, 6) and "[" in prompts else {}


def _version(settings: Mapping[str, str]) -> tuple[int, int] | None:
    match = re.match(r"v?(\d{1,9})\.(\d{1,9})", settings.get("Version", ""))
    return (int(match[1]), int(match[2])) if match else None


def schedule_before_1_9(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the Uniform schedule that a plain sampler name meant before A1111 1.9."""
    version = _version(settings)
    if version and version >= (1, 9):
        return {}
    keys = {"Sampler": "scheduler", "Hires sampler": "hires_scheduler"}
    return {field: "Uniform" for key, field in keys.items() if _was_uniform(settings.get(key, ""))}


def _was_uniform(name: str) -> bool:
    sampler, suffix = split_name(name)
    own = sampler is None or suffix != AUTOMATIC or sampler.grid or sampler.name == "Restart"
    return not own
