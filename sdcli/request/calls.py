"""How many model calls a request takes over given noise levels."""

from __future__ import annotations

from typing import Protocol

from sdcli.sampling.solvers import invert
from sdcli.sampling.solvers.repaint import stretches

from .request import GenerationRequest


class Counts(Protocol):
    """A sampler that knows its model calls; None where it finds out on its way."""

    def total_evaluations(self, sigmas: tuple[float, ...]) -> int | None:
        """Return the model calls of a run over these σ's."""


def calls_over(
    request: GenerationRequest, sampler: Counts, sigmas: tuple[float, ...]
) -> int | None:
    """Return the model calls of one pass over these σ's, with resampling and inversion."""
    if not sigmas:
        return 0
    if request.inpaint_method == "repaint":
        parts = stretches(sigmas, request.repaint_jump)
        return request.repaint_times * sum(
            sampler.total_evaluations(tuple(part)) or 0 for part in parts
        )
    calls = sampler.total_evaluations(sigmas)
    if request.invert and calls is not None:
        calls += invert.evaluations(sigmas, order=request.resolved_sampler.order)
    return calls
