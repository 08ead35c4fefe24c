"""Owns sweeps of a command: the same pictures for every combination of what is swept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sdcli.errors import Problems, UsageError
from sdcli.jobs import draws_from, random_seed
from sdcli.sweeps import Cell, cells, parse_sweeps

from .planning import Plan, together
from .words import Words

_MOST = 100_000  # combinations


def combinations(texts: Sequence[str]) -> list[Cell]:
    """Those of the sweeps, as typed; the empty one where there are none. Raises UsageError."""
    sweeps = parse_sweeps(texts)
    count = math.prod(len(sweep.values) for sweep in sweeps)
    if count > _MOST:
        raise UsageError(f"--sweep: {count:,} combinations are more than {_MOST:,}")
    return list(cells(sweeps))


def swept(words: Words, every: Sequence[Cell], plan: Callable[[Words], Plan]) -> Plan:
    """One plan of all combinations' plans. Raises UsageErrors with what is wrong in any.

    A seed that nobody names is drawn once, so that pictures differ by what is swept alone.
    """
    problems = Problems()
    plans = []
    for own in _each(words, every):
        with problems.gather():
            plans.append(plan(own))
    problems.raise_if_any()
    return together(plans)


def _each(words: Words, every: Sequence[Cell]) -> Iterator[Words]:
    start = random_seed()
    for cell in every:
        yield replace(words, cell=cell, draw=draws_from(start))
