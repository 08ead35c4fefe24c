"""The trace of a run: where a solver goes and where it asks the model, without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TracedStep:
    """One step: the σ's at which the model is asked in it, the first being where it starts."""

    calls: tuple[float, ...]

    @property
    def sigma(self) -> float:
        """Where the step starts."""
        return self.calls[0]


def trace(run: Callable[..., Iterator[Any]]) -> list[TracedStep]:
    """Return the steps of `run(denoise, x, noise)`; an adaptive one's are for a constant model."""
    calls: list[float] = []
    steps = []
    for _ in run(_Sure(calls), 0.0, lambda sigma, sigma_next: 0.0):
        steps.append(TracedStep(tuple(calls)))
        calls.clear()
    return steps


def noises(run: Callable[..., Iterator[Any]]) -> list[tuple[float, float]]:
    """Return the ways (σ, σ_next) that `run(denoise, x, noise)` asks noise for, in order."""
    ways: list[tuple[float, float]] = []

    def noise(sigma: float, sigma_next: float, /) -> float:
        ways.append((sigma, sigma_next))
        return 0.0

    for _ in run(_Sure([]), 0.0, noise):
        pass
    return ways


class _Sure:
    """A model that always believes the same, with and without its prompt."""

    def __init__(self, calls: list[float]) -> None:
        self._calls = calls

    def __call__(self, x: float, sigma: float, /) -> float:
        self._calls.append(sigma)
        return 0.0

    def both(self, x: float, sigma: float, /) -> tuple[float, float]:
        """Return the same, twice."""
        return self(x, sigma), 0.0
