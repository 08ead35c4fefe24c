"""Owns what a run gives: a Step on its way, and a Picture at its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from sdcli.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class Tries:
    """The steps of a sampler that chooses them: those taken, and those taken back."""

    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One result with its own recipe: `request` makes it again. `seconds` is its share of a run.

    `tries` is None for a sampler that does not choose its own steps.
    """

    image: Image
    request: GenerationRequest
    seconds: float
    evaluations: int
    path: Path | None = None
    tries: Tries | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: `index` of `steps`, σ of the last model call, model calls so far.

    A run that chooses its own steps has no number of them; `done` is its share of the way, 0 to 1.
    """

    index: int
    steps: int | None
    sigma: float
    evaluations: int
    done: float
