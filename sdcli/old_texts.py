"""Owns what pictures' texts of old versions of A1111 meant, where they say less than new ones."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .sampling import AUTOMATIC, split_name


def timelines_before_1_6(settings: Mapping[str, str], prompts: str) -> dict[str, bool]:
    """A1111 1.6 counts the times of edits anew, and keeps the old way for its older pictures."""
    version = _version(settings)
    return {"old_timelines": True} if version and version < (1, 6) and "[" in prompts else {}


def _version(settings: Mapping[str, str]) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", settings.get("Version", ""))
    return (int(found[1]), int(found[2])) if found else None


def schedule_before_1_9(settings: Mapping[str, str]) -> dict[str, str]:
    """Before 1.9 a plain name meant the uniform schedule, which "Automatic" no longer is."""
    version = _version(settings)
    if version and version >= (1, 9):
        return {}
    keys = {"Sampler": "scheduler", "Hires sampler": "hires_scheduler"}
    return {field: "Uniform" for key, field in keys.items() if _was_uniform(settings.get(key, ""))}


def _was_uniform(name: str) -> bool:
    sampler, suffix = split_name(name)
    own = sampler is None or suffix != AUTOMATIC or sampler.grid or sampler.name == "Restart"
    return not own
