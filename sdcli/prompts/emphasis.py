"""Emphasis: which words of a prompt count for more, as A1111 reads its brackets."""

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
_BREAK = re.compile(r"\bBREAK\b")
_ROUND, _SQUARE = 1.1, 1 / 1.1
_MOST = 1e6  # far beyond any use; products of more would end as no number at all
_DEEPEST = 100  # brackets within one another, that the time of a prompt grows with its length

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


def parse(prompt: str) -> list[Piece]:
    r"""Return the prompt's pieces, at least one; neighbors of one weight are joined.

    `(x)` counts 1.1 times, `[x]` 1 / 1.1 times, `(x:1.3)` 1.3 times, and within one another their
    product. `\(` is a bracket as text. What is never closed reaches to the end, what closes nothing
    is text. As A1111's parser, but for a weight such as `1.5.`, at which that one fails, and for
    brackets more than 100 deep: here they are text.
    """
    texts: list[list[str]] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def add(text: str, weight: float = 1.0) -> None:
        """Add to the last piece, or a new one if a bracket begins here or the weight is another."""
        begins = len(texts) in (*opened["("][-1:], *opened["["][-1:])
        if begins or not weights or weights[-1] != weight:
            texts.append([])
            weights.append(weight)
        texts[-1].append(text)

    def close(kind: str, factor: float) -> bool:
        if not opened[kind]:
            return False
        for place in range(opened[kind].pop(), len(weights)):
            weights[place] = _limited(weights[place] * factor)
        return True

    for token in _TOKEN.finditer(prompt):
        text, weight = token[0], _number(token[1])
        if text.startswith("\\"):
            add(text[1:])
        elif text in opened and sum(map(len, opened.values())) < _DEEPEST:
            opened[text].append(len(texts))
        elif weight is not None and close("(", weight):
            pass
        elif token[1] and weight is None:
            add(text[:-1])
            if not close("(", _ROUND):
                add(")")
        elif not (text == ")" and close("(", _ROUND)) and not (text == "]" and close("[", _SQUARE)):
            for part, own in _parted(text):
                add(part, own)
    for kind, factor in (("(", _ROUND), ("[", _SQUARE)):
        while close(kind, factor):
            pass
    return _joined(map(Piece, map("".join, texts), weights))


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else _limited(float(text))
    except ValueError:
        return None


def _limited(weight: float) -> float:
    return max(-_MOST, min(_MOST, weight))


def _parted(text: str) -> list[tuple[str, float]]:
    """Split off every BREAK as a piece of its own, without the blanks around it."""
    first, *rest = _BREAK.split(text)
    if not rest:
        return [(text, 1.0)]
    *middle, last = rest
    after = [*(part.strip() for part in middle), last.lstrip()]
    return [(first.rstrip(), 1.0), *(p for part in after for p in ((WORD, -1.0), (part, 1.0)))]


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    alike = groupby(pieces, key=lambda piece: piece.weight)
    return [Piece("".join(p.text for p in run), weight) for weight, run in alike] or [Piece("")]


def to_text(pieces: Sequence[Piece]) -> str:
    """Return a prompt that `parse` reads as these pieces, which it gave."""
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
