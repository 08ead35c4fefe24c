"""Owns rows from a pipe: each becomes a plan as soon as it arrives, while others are made."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from threading import Thread

from sdcli.errors import SdcliError
from sdcli.sources.rows import Format, rows_of, told_by
from sdcli.sources.sweeps import Cell

from .inputs import Words
from .output import Target
from .plan import Plan, planned_row, swept, together

NAME = "stdin"
_MOST = 64  # rows that wait are planned together, so many at most


def arriving(
    words: Words, how: Format | None, every: Sequence[Cell], *, json: bool
) -> Iterator[Plan | SdcliError]:
    """A plan of the rows that have come since the last one, or what is wrong with a row.

    Each row is made for `every` combination of what is swept. Rows are lines of text or of JSON;
    `how` None lets the first of them tell which.
    """
    target: Target | None = None
    made = 0
    arrivals = _arrivals()
    for lines in arrivals:
        first, text = lines[0]
        how = how or told_by(text)
        if how == "toml":  # which has a meaning as a whole only
            lines = [*lines, *(line for more in arrivals for line in more)]
        rows, problems = rows_of("".join(t for _, t in lines), how, NAME, first=first)
        plans: list[Plan] = []
        for row in rows:
            with problems.gather():
                of_row = partial(planned_row, row, file=NAME, among=_MOST, json=json)
                plans.append(swept(words, every, of_row))
        yield from problems.errors
        if not plans:
            continue
        plan = together(plans, after=made)
        if target and plan.target:  # whose pictures not even --overwrite replaces
            plan = replace(plan, target=replace(plan.target, saved=target.saved))
        target = plan.target
        made += len(plan.jobs)
        yield plan


def _arrivals() -> Iterator[list[tuple[int, str]]]:
    """Lines that follow each other, with their numbers: one at least, as soon as it has come."""
    queue: SimpleQueue[tuple[int, str] | None] = SimpleQueue()

    def read() -> None:
        try:
            for item in enumerate(sys.stdin, start=1):
                queue.put(item)
        finally:
            queue.put(None)

    Thread(target=read, name=NAME, daemon=True).start()
    while (item := queue.get()) is not None:
        lines = [item]
        while len(lines) < _MOST and not queue.empty():
            if (item := queue.get()) is None:
                yield lines
                return
            lines.append(item)
        yield lines
