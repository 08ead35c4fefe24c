"""Inversion: the way back from a picture to the noise that a deterministic run makes it of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sdcli.sampling.protocols import Denoise, Sigmas, X
from sdcli.sampling.trace import trace

from .ode import heun_step

REFINEMENTS = 3


def invert(
    denoise: Denoise[X], x: X, sigmas: Sigmas, *, order: int, refinements: int = REFINEMENTS
) -> Iterator[X]:
    """Undo a run over `sigmas` (falling), from its last state `x` up; yields x after every step.

    `order` is that of the solver to undo. Euler's own steps (order 1) are undone exactly: one
    leads along the slope where it started, and that start is what is sought, so it is a fixed
    point (Pan et al. 2023, AIDI), `refinements` times refined; with 0 this would be the inversion
    of DDIM (Song et al. 2020, section 4.3). The steps of better solvers lie so near the equation's
    own solution that Heun's step up is nearer to them.
    """
    for sigma, sigma_before in pairwise(reversed(sigmas)):
        if order > 1 and sigma > 0:
            x = heun_step(denoise, x, sigma, sigma_before)
        else:
            x = _undo_euler(denoise, x, sigma, sigma_before, refinements)
        yield x


def _undo_euler(
    denoise: Denoise[X], x: X, sigma: float, sigma_before: float, refinements: int
) -> X:
    start = x
    for _ in range(refinements + 1):
        slope = (start - denoise(start, sigma_before)) / sigma_before
        start = x + slope * (sigma_before - sigma)
    return start


def evaluations(sigmas: Sigmas, *, order: int) -> int:
    """Count the model calls of an inversion over these σ's."""
    steps = trace(lambda denoise, x, noise: invert(denoise, x, sigmas, order=order))
    return sum(len(step.calls) for step in steps)
