"""Owns emphasis: which words of a prompt count for more, as A1111 reads its brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Literal

_TOKEN = re.compile(
    r"""
    \\[()\[\]\\]?                     # an escaped bracket or backslash; a lone one vanishes
    | [(\[]
    | :\s*([+-]?[.\d]+)\s*\)          # the end of a bracket with a weight
    | [)\]]
    | [^\\()\[\]:]+
    | :
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_ROUND, _SQUARE = 1.1, 1 / 1.1
_MOST = 1e6  # far beyond any use; products of more would end as no number at all

WORD = "BREAK"

Emphasis = Literal["original", "no-norm", "ignore", "none"]
"""What becomes of weights, by A1111's names: applied and evened out, applied, dropped, not read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text and how much it counts; 1 is as it is."""

    text: str
    weight: float = 1.0

    @property
    def ends_chunk(self) -> bool:
        """Whether this is no text, but the word that ends a chunk of 75 tokens.

        A weighted BREAK is a word like any other, with what its weight makes of -1: A1111's slip,
        kept.
        """
        return self.text == WORD and self.weight == -1


@dataclass(frozen=True, slots=True)
class _Range:
    """Pieces `start` to `stop`, which count `factor` times as much."""

    start: int
    stop: int
    factor: float


def parse(prompt: str) -> list[Piece]:
    r"""The prompt's pieces, at least one; neighbours of one weight are joined.

    `(x)` counts 1.1 times, `[x]` 1 / 1.1 times, `(x:1.3)` 1.3 times, and within one another their
    product. `\(` is a bracket as text. What is never closed reaches to the end, what closes nothing
    is text. As A1111's parser, but for a weight such as `1.5.`, at which that one fails: here it is
    text.
    """
    texts: list[tuple[str, float]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    ranges: dict[str, list[_Range]] = {"(": [], "[": []}

    def close(kind: str, factor: float) -> bool:
        if not opened[kind]:
            return False
        ranges[kind].append(_Range(opened[kind].pop(), len(texts), factor))
        return True

    for token in _TOKEN.finditer(prompt):
        text, weight = token[0], _number(token[1])
        if text.startswith("\\"):
            texts.append((text[1:], 1.0))
        elif text in opened:
            opened[text].append(len(texts))
        elif weight is not None and close("(", weight):
            pass
        elif token[1] and weight is None:
            texts.append((text[:-1], 1.0))
            if not close("(", _ROUND):
                texts.append((")", 1.0))
        elif not (text == ")" and close("(", _ROUND)) and not (text == "]" and close("[", _SQUARE)):
            texts.extend(_parted(text))
    for kind, factor in (("(", _ROUND), ("[", _SQUARE)):
        ranges[kind].extend(_Range(start, len(texts), factor) for start in opened[kind])
    inner, outer = (_products(ranges[kind], len(texts)) for kind in "([")
    weighted = zip(texts, inner, outer, strict=True)
    return _joined(Piece(text, own * a * b) for (text, own), a, b in weighted)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else _limited(float(text))
    except ValueError:
        return None


def _limited(weight: float) -> float:
    return max(-_MOST, min(_MOST, weight))


def _parted(text: str) -> list[tuple[str, float]]:
    """Text with every BREAK in it as a piece of its own."""
    first, *rest = _BREAK.split(text)
    return [(first, 1.0), *(part for more in rest for part in ((WORD, -1.0), (more, 1.0)))]


def _products(ranges: Iterable[_Range], count: int) -> list[float]:
    """For each of `count` pieces the product of the ranges around it. Ranges lie in one another."""
    products: list[float] = []
    around: list[tuple[int, float]] = [(count, 1.0)]  # where each ends, and the product up to it
    waiting = sorted(ranges, key=lambda each: (each.start, -each.stop))
    waiting.reverse()
    for place in range(count):
        while around[-1][0] <= place:
            around.pop()
        while waiting and waiting[-1].start <= place:
            begun = waiting.pop()
            if begun.stop > place:
                around.append((begun.stop, _limited(around[-1][1] * begun.factor)))
        products.append(around[-1][1])
    return products


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    alike = groupby(pieces, key=lambda piece: piece.weight)
    return [Piece("".join(p.text for p in run), weight) for weight, run in alike] or [Piece("")]


def to_text(pieces: Sequence[Piece]) -> str:
    """A prompt that `parse` reads as these pieces, which it gave."""
    ends = [piece.ends_chunk for piece in pieces]
    beside = [a or b for a, b in zip([False, *ends], [*ends[1:], False], strict=False)]
    shown = [
        "" if not piece.text and piece.weight == 1 and (near or len(pieces) == 1) else _shown(piece)
        for piece, near in zip(pieces, beside, strict=True)
    ]
    for place, (one, other) in enumerate(pairwise(pieces)):
        # A BREAK takes the spaces around it along; a backslash in between keeps them.
        if one.ends_chunk:
            shown[place] += " \\" if other.text[:1].isspace() else " "
        elif other.ends_chunk:
            shown[place] += "\\ " if one.text[-1:].isspace() else " "
    return "".join(shown)


def _shown(piece: Piece) -> str:
    if piece.ends_chunk:
        return WORD
    text = re.sub(r"[()\[\]\\]", r"\\\g<0>", piece.text).replace(WORD, "BREA\\K") or "\\"
    if piece.weight == 1 and piece.text:
        return text
    return f"({text}:{Decimal(repr(piece.weight)):f})"
