"""Owns sweeps of a command: one plan of every combination's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdcli.batch_files.reading import checked
from sdcli.errors import Problems, UsageError
from sdcli.jobs import random_seed
from sdcli.layers import Layer
from sdcli.sweeps import Cell, cells, parse_sweeps

from .planning import Plan, planned, together
from .understanding import with_piped_prompt
from .words import Words

_MOST = 100_000  # pictures


@dataclass(frozen=True, slots=True)
class Swept:
    """The plan of all combinations, and the combination of each of its jobs."""

    plan: Plan
    cells: Sequence[Cell]


def swept(words: Words, texts: Sequence[str], *, json: bool) -> Swept:
    """The pictures of `words` for every combination of the sweeps. Raises UsageErrors, ModelError.

    A seed that nobody names is drawn once, so that pictures differ by what is swept alone.
    """
    every = list(cells(parse_sweeps(texts)))
    if len(every) > _MOST:
        raise UsageError(f"--sweep: {len(every):,} combinations are more than {_MOST:,}")
    words = with_piped_prompt(words, swept=every[0].values)
    drawn = Layer("--sweep", {"seed": random_seed()})
    problems = Problems()
    plans, of_jobs = [], []
    for cell in every:
        with problems.gather():
            row = Layer("--sweep", checked(cell.values))
            own = replace(words, base=drawn, row=row, replaced=cell.replaced)
            plan = planned(own, json=json, among=len(every))
            plans.append(plan)
            of_jobs += [cell] * len(plan.jobs)
    problems.raise_if_any()
    return Swept(together(plans), of_jobs)
