"""Owns sweeps of a command: one plan of every combination's pictures."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdcli.batch_files.reading import checked
from sdcli.errors import Problems, UsageError
from sdcli.layers import Layer
from sdcli.sweeps import Cell, cells, parse_sweeps

from .planning import Plan, planned, together
from .understanding import Words

_RANDOM_SEEDS = 4294967294  # as A1111 draws its own
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
    words = _with_prompt(words)
    drawn = Layer("--sweep", {"seed": random.randrange(_RANDOM_SEEDS)})
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


def _with_prompt(words: Words) -> Words:
    """With the prompt from a pipe, which can be read once only."""
    told = words.text or words.flags.get("prompt") or words.picture
    if words.text != "-" and (told or sys.stdin is None or sys.stdin.isatty()):
        return words
    return replace(words, text=sys.stdin.read().strip())
