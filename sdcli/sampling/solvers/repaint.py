"""Resampling: a run that goes a few steps back up, and down again, over and over (RePaint)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from sdcli.sampling.paths import EPSILON, NoisePath
from sdcli.sampling.protocols import Noise, Sigmas, X


def resampled(
    solve: Callable[[X, Sigmas], Iterator[X]],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    jump: int,
    times: int,
    path: NoisePath = EPSILON,
    end_scale: Callable[[float], float] = lambda sigma: 1.0,
) -> Iterator[X]:
    """Yield the walk of RePaint (Lugmayr et al. 2022, section 4.2) with any solver's steps.

    Each stretch of `jump` steps is made `times` times, and noise leads back up in between, so that
    what is given from outside and what is made anew come to agree. `solve` makes the steps over
    some of the σ's; what it ends with stands at its σ once it is multiplied by `end_scale`.
    Yields x after every step.
    """
    ended = None
    for stretch in stretches(sigmas, jump):
        for attempt in range(times):
            if ended is not None:
                x = x * end_scale(ended)
            if attempt:
                keep, up = path.renoise(stretch[-1], stretch[0])
                x = x * keep + noise(stretch[-1], stretch[0]) * up
            for state in solve(x, stretch):
                x = state
                yield x
            ended = stretch[-1]


def stretches(sigmas: Sigmas, jump: int) -> list[Sigmas]:
    """Return the σ's in stretches of `jump` steps, each from the end of the one before.

    What is left over at the end is part of the last, which some solvers would find too short.
    """
    count = max((len(sigmas) - 1) // jump, 1)
    cuts = [*range(0, count * jump, jump), len(sigmas) - 1]
    return [sigmas[first : last + 1] for first, last in pairwise(cuts)]
