"""Sweeps: KEY=VALUES as typed, A1111's ranges among them, and the product of several."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

from sdcli.errors import UsageError, did_you_mean
from sdcli.request import GenerationRequest

from .layers import REQUEST_KEYS

REPLACED = "replace"
"""As a key: words that stand for the first one in the prompts, A1111's "Prompt S/R"."""

_WHOLE = re.compile(
    r"""\s*(-?\d{1,20})\s*-\s*(-?\d{1,20})\s*
    (?:\(\s*([+-]\d{1,20})\s*\)|\[\s*(\d{1,20})\s*\])?\s*""",
    re.VERBOSE | re.ASCII,
)
_BROKEN = re.compile(
    r"""\s*(-?\d{1,20}(?:\.\d{0,20})?)\s*-\s*(-?\d{1,20}(?:\.\d{0,20})?)\s*
    (?:\(\s*([+-]\d{1,20}(?:\.\d{0,20})?)\s*\)|\[\s*(\d{1,20})\s*\])\s*""",
    re.VERBOSE | re.ASCII,
)
_KEYS = {*REQUEST_KEYS, "size", REPLACED}
_MOST = 10_000  # values of one sweep


@dataclass(frozen=True, slots=True)
class Sweep:
    """One key of the request and the values that it takes in turn, as text."""

    key: str
    values: tuple[str, ...]

    def label(self, value: str) -> str:
        """Return what a sheet says of one of them."""
        return value if self.key in ("sampler", REPLACED) else f"{self.key} {value}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One choice of each sweep's value, in the sweeps' order."""

    sweeps: tuple[Sweep, ...]
    chosen: tuple[str, ...]

    @property
    def values(self) -> dict[str, Any]:
        """The fields that it sets."""
        pairs = zip(self.sweeps, self.chosen, strict=True)
        return {sweep.key: value for sweep, value in pairs if sweep.key != REPLACED}

    @property
    def replaced(self) -> tuple[tuple[str, str], ...]:
        """What stands for what in the prompts."""
        pairs = zip(self.sweeps, self.chosen, strict=True)
        return tuple((s.values[0], value) for s, value in pairs if s.key == REPLACED)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a sheet says of each."""
        return tuple(s.label(value) for s, value in zip(self.sweeps, self.chosen, strict=True))


ONLY = Cell((), ())
"""Where nothing is swept."""


def cells(sweeps: Sequence[Sweep]) -> Iterator[Cell]:
    """Yield every combination, the last sweep's values changing fastest."""
    for chosen in product(*(sweep.values for sweep in sweeps)):
        yield Cell(tuple(sweeps), chosen)


def parse_sweeps(texts: Sequence[str]) -> list[Sweep]:
    """Parse all sweeps. Raises UsageError for one that is wrong, or a key that appears twice."""
    sweeps = [parse_sweep(text) for text in texts]
    keys = [sweep.key for sweep in sweeps]
    if twice := next((key for key in keys if keys.count(key) > 1 and key != REPLACED), None):
        raise UsageError(f"--sweep: {twice} is swept twice")
    return sweeps


def parse_sweep(text: str) -> Sweep:
    """Parse KEY=VALUES: values parted by |, or by commas where there is none, quoted if need be.

    Whole numbers may be ranges as A1111 writes them: 1-5, 1-9 (+2), 1-10 [4]; broken ones with a
    step or a count: 0-1 (+0.25), 0-1 [5]. Raises UsageError.
    """
    name, equals, rest = text.partition("=")
    key = name.strip().replace("-", "_")
    if not equals:
        raise UsageError(f"--sweep: {text!r} has no values", "steps=10,20,30")
    if key == "cfg":
        key = "cfg_scale"
    if key not in _KEYS:
        near = did_you_mean(key, _KEYS) or f"or {REPLACED}, for words of the prompts"
        raise UsageError(f"--sweep: unknown key {key!r}", near)
    try:
        listed = next(csv.reader([rest], skipinitialspace=True), [])
    except csv.Error as error:
        raise UsageError(f"--sweep: {text!r}: {error}") from error
    parts = rest.split("|") if "|" in rest else listed
    expanded = [value for part in parts for value in _values(key, part.strip())]
    if not expanded:
        raise UsageError(f"--sweep: {key} has no values", "steps=10,20,30")
    if len(expanded) > _MOST:
        raise UsageError(f"--sweep: {len(expanded)} values of {key} are more than {_MOST:,}")
    return Sweep(key, tuple(expanded))


def _values(key: str, part: str) -> list[str]:
    kinds = _kinds(key)
    if int in kinds or key == "seed":
        if match := _WHOLE.fullmatch(part):
            return [str(value) for value in _whole(*match.groups())]
    elif float in kinds and (match := _BROKEN.fullmatch(part)):
        return [f"{value:.10g}" for value in _broken(*match.groups())]
    return [part] if part else []


def _kinds(key: str) -> set[type]:
    field = GenerationRequest.model_fields.get(key)
    return {field.annotation, *get_args(field.annotation)} if field else set()  # type: ignore[arg-type]


def _whole(first: str, last: str, step: str | None, count: str | None) -> Sequence[int]:
    """Expand as A1111: a step goes on to one past the end, up or down; a count is cut."""
    start, end = int(first), int(last)
    if count:
        return [int(value) for value in _even(start, end, int(count))]
    pace = int(step) if step else 1
    if pace == 0:
        raise UsageError("--sweep: the step must not be 0")
    return range(start, end + 1, pace)[: _MOST + 1]


def _broken(first: str, last: str, step: str | None, count: str | None) -> list[float]:
    start, end = float(first), float(last)
    if count:
        return _even(start, end, int(count))
    pace = float(step or 1)
    if pace == 0:
        raise UsageError("--sweep: the step must not be 0")
    number = math.floor((end - start) / pace + 1e-9) + 1
    return [start + k * pace for k in range(min(number, _MOST + 1))]


def _even(start: float, end: float, count: int) -> list[float]:
    if count > _MOST:
        raise UsageError(f"--sweep: {count} values are more than {_MOST:,}")
    return [start + (end - start) * k / max(count - 1, 1) for k in range(count)]
