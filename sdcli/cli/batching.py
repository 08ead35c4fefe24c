"""Owns which pictures are made at once: those that are alike, as many as are worth it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdcli.request import GenerationRequest
from sdcli.settings import Settings

from .planning import Job

if TYPE_CHECKING:
    from sdcli.engine import Engine

# Beyond these more at once is no faster, and the first of them comes later.
_PIXELS_AT_ONCE = {"cuda": 8 * 1024 * 1024, "mps": 1024 * 1024, "cpu": 1024 * 1024}
_MOST_AT_ONCE = 8


def by_model(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs of each model, in the order of their first ones."""
    found: list[list[Job]] = []
    for job in jobs:
        same = next((each for each in found if each[0].folder == job.folder), None)
        if same is None:
            found.append([job])
        else:
            same.append(job)
    return found


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs of one model that can be made at once."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(repr(job.request.shared), []).append(job)
    return list(found.values())


def batch_size(engine: Engine, settings: Settings, request: GenerationRequest) -> int:
    """How many pictures to make at once: as asked, or as many as fit and are worth it.

    A sampler that chooses its own steps does so for each picture alone.
    """
    if request.adaptive:
        return 1
    if settings.batch_size != "auto":
        return settings.batch_size
    whole = engine.complete(request).passes[-1]
    pixels = (whole.width or 1) * (whole.height or 1)
    worth = _PIXELS_AT_ONCE[engine.placement.device.type] // pixels
    return max(1, min(_MOST_AT_ONCE, worth, engine.fits(request)))
