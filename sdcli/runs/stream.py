"""Rows from a pipe: each becomes a plan as soon as it arrives, while others are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from threading import Thread

from sdcli.errors import SdcliError
from sdcli.sources.rows import Format, format_of_text, rows_of
from sdcli.sources.sweeps import Cell

from .host import Host
from .inputs import Inputs
from .plan import Plan, joined, plan_row, plan_sweep

NAME = "stdin"
"""What errors call the file, and the name of the thread that reads it."""
_MOST = 64  # rows that wait are planned together, so many at most


def plans_of(
    lines: Iterable[str], inputs: Inputs, how: Format | None, every: Sequence[Cell], host: Host
) -> Iterator[Plan | SdcliError]:
    """Yield a plan of the rows that have come since the last one, or what is wrong with a row.

    Each row is made for `every` combination of what is swept. Rows are lines of text or of JSON;
    `how` None lets the first of them tell which.
    """
    made = 0
    arrivals = _arrivals(lines)
    for group in arrivals:
        first, text = group[0]
        how = how or format_of_text(text)
        if how == "toml":  # which has a meaning as a whole only
            group = [*group, *(line for more in arrivals for line in more)]
        rows, problems = rows_of("".join(t for _, t in group), how, NAME, first=first)
        plans: list[Plan] = []
        for row in rows:
            with problems.gather():
                of_row = partial(plan_row, row, host=host, file=NAME, among=_MOST)
                plans.append(plan_sweep(inputs, every, of_row))
        yield from problems.errors
        if plans:
            plan = joined(plans, after=made)
            if plan.target:  # counts on from what is in its folders by then
                plan = replace(plan, target=replace(plan.target, starts={}))
            made += len(plan.jobs)
            yield plan


def _arrivals(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """Yield lines that follow each other, numbered: one at least, as soon as it has come."""
    queue: SimpleQueue[tuple[int, str] | None] = SimpleQueue()

    def read() -> None:
        try:
            for item in enumerate(lines, start=1):
                queue.put(item)
        finally:
            queue.put(None)

    Thread(target=read, name=NAME, daemon=True).start()
    while (item := queue.get()) is not None:
        group = [item]
        while len(group) < _MOST and not queue.empty():
            if (item := queue.get()) is None:
                yield group
                return
            group.append(item)
        yield group
