"""AND: the prompts that a prompt is composed of, and how much each of them counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

_AND = re.compile(r"\bAND\b")
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*")


@dataclass(frozen=True, slots=True)
class Share:
    """One of the prompts, and its weight; 1 is as if it stood alone."""

    text: str
    weight: float = 1.0


def shares(prompt: str) -> list[Share]:
    """Return the prompts between the words AND, each with the weight at its end: `a cat :1.2`.

    As in A1111, which splits before it reads any bracket, so that an AND within one parts it, and
    which reads a weight off the end of a prompt without an AND as well.
    """
    return [_share(part) for part in _AND.split(prompt)]


def _share(text: str) -> Share:
    before, colon, after = text.rpartition(":")
    number = _NUMBER.fullmatch(after) if colon else None
    return Share(text.rstrip()) if number is None else Share(before.rstrip(), float(number[1]))
