"""A race: the columns of a row, measured in turn, and what they came to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

OURS, THEIRS, TUNED = "sdcli", "diffusers", "tuned"


class Failed(Exception):
    """Why a column cannot be measured here."""


class Sample(NamedTuple):
    """One measurement: seconds, or bytes; and the seconds of processor time that it took."""

    value: float
    busy: float | None = None


Column = Callable[[], Sample]


class Unit(NamedTuple):
    """How a sample is shown: times `scale`, or `scale` divided by it where it is a rate."""

    scale: float
    rate: bool = False


UNITS = {
    "s": Unit(1),
    "ms": Unit(1000),
    "it/s": Unit(1, rate=True),
    "img/s": Unit(1, rate=True),
    "KiB": Unit(1 / 2**10),
    "GiB": Unit(1 / 2**30),
}


class Work(NamedTuple):
    """Of one part of what a row measures; and how many of them a second the machine can do."""

    flops: float
    peak: float


@dataclass(frozen=True, slots=True)
class Row:
    """What is measured in each column.

    A call does `parts` of what the unit counts. Without `warm` the first one counts too; `most` is
    for what hardly varies.
    """

    name: str
    unit: str
    columns: Mapping[str, Column]
    parts: int = 1
    work: Work | None = None
    warm: bool = True
    most: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that this machine, or this version, does not have."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """A row's samples, column by column."""

    row: Row
    samples: Mapping[str, tuple[Sample, ...]]

    def shown(self, column: str) -> list[float]:
        """A column's samples in the row's unit."""
        unit, parts = UNITS[self.row.unit], self.row.parts
        values = [sample.value for sample in self.samples[column]]
        if unit.rate:
            return [unit.scale * parts / value for value in values]
        return [unit.scale * value / parts for value in values]

    def median(self, column: str) -> float:
        """Of the samples in the row's unit."""
        return statistics.median(self.shown(column))

    def ratio(self, other: str = THEIRS) -> float | None:
        """How many times less than the other's ours is, pair by pair; above 1 we lead."""
        if other not in self.samples:
            return None
        pairs = zip(self.samples[OURS], self.samples[other], strict=True)
        return statistics.median(theirs.value / ours.value for ours, theirs in pairs)

    def busy_ratio(self) -> float | None:
        """The same of processor time."""
        pairs = zip(self.samples[OURS], self.samples[THEIRS], strict=True)
        found = [theirs.busy / ours.busy for ours, theirs in pairs if ours.busy and theirs.busy]
        return statistics.median(found) if found else None

    def share(self, column: str = OURS) -> float | None:
        """Of the arithmetic that the machine can do in that time, what the work takes."""
        if self.row.work is None or column not in self.samples:
            return None
        seconds = statistics.median(sample.value for sample in self.samples[column])
        return self.row.work.flops * self.row.parts / seconds / self.row.work.peak


def race(row: Row, repeats: int, say: Callable[[str], None]) -> Result:
    """Measure a row's columns in turn: A B C A B C …

    A column beside the two that are compared may fail at its first call, and is told and left out.
    Raises Failed for one of the two.
    """
    if row.warm:
        row = replace(row, columns=_warmed(row, say))
    samples: dict[str, list[Sample]] = {name: [] for name in row.columns}
    for _ in range(min(repeats, row.most or repeats)):
        for name, measure in row.columns.items():
            samples[name].append(measure())
    return Result(row, {name: tuple(found) for name, found in samples.items()})


def _warmed(row: Row, say: Callable[[str], None]) -> dict[str, Column]:
    able = {}
    for name, measure in row.columns.items():
        try:
            measure()
        except Failed as failure:
            if name in (OURS, THEIRS):
                raise Failed(f"{name}: {failure}") from failure
            say(f"{row.name}: no {name}: {failure}")
        else:
            able[name] = measure
    return able
