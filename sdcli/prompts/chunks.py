"""How a prompt of any length is cut into the 75-token chunks that CLIP can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .emphasis import Emphasis, Piece, parse

CHUNK = 75
"""Tokens in a chunk; the start and end tokens make it CLIP's 77."""

_BACKTRACK = 20
"""How far back from a full chunk's end a comma may lie to be cut at (A1111's default)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Tokens that must not be parted, mostly one, and how much they count."""

    ids: tuple[int, ...]
    weight: float = 1.0


END = Unit(())
"""Where a chunk ends, full or not: the word BREAK."""

Token = tuple[int, float]
"""An id, and how much it counts."""


def chunks(units: Sequence[Unit], *, comma: int | None) -> list[list[Token]]:
    """Cut tokens without start and end into one or more lists of at most 75.

    As A1111: where a chunk is full and its last comma among its last 20 tokens, what follows the
    comma moves to the next chunk. What must not be parted and has no room begins the next one; it
    is 75 tokens at most.
    `comma` is the id of a comma that ends a word.
    """
    done: list[list[Token]] = []
    chunk: list[Token] = []
    last_comma: int | None = None
    for unit in units:
        if unit is END:
            done.append(chunk)
            chunk, last_comma = [], None
            continue
        if len(chunk) == CHUNK:
            cut = CHUNK
            if last_comma is not None and CHUNK - last_comma <= _BACKTRACK and unit.ids != (comma,):
                cut = last_comma + 1
            done.append(chunk[:cut])
            chunk, last_comma = chunk[cut:], None
        if len(chunk) + len(unit.ids) > CHUNK:
            done.append(chunk)
            chunk, last_comma = [], None
        if unit.ids == (comma,):
            last_comma = len(chunk)
        chunk += [(id, unit.weight) for id in unit.ids]
    if chunk or not done:
        done.append(chunk)
    return done


def units(
    ids: Sequence[int], words: Mapping[tuple[int, ...], tuple[int, ...]], weight: float = 1.0
) -> list[Unit]:
    """Return the ids as units, every run that is one of `words` as what that stands for, unparted.

    Of words that begin alike the longest wins.
    """
    longest_first = sorted(words, key=len, reverse=True)
    parts: list[Unit] = []
    place = 0
    while place < len(ids):
        here = tuple(ids[place : place + len(longest_first[0])]) if words else ()
        word = next((word for word in longest_first if here[: len(word)] == word), None)
        parts.append(Unit((ids[place],) if word is None else words[word], weight))
        place += 1 if word is None else len(word)
    return parts


def read(
    text: str,
    ids: Callable[[str], Sequence[int]],
    *,
    comma: int | None,
    emphasis: Emphasis,
    words: Mapping[tuple[int, ...], tuple[int, ...]],
) -> list[list[Token]]:
    """Return the tokens of a text in chunks of at most 75; at least one chunk.

    `ids` is the tokenizer, `comma` the id of a comma that ends a word, `words` what runs of ids
    stand for. Each piece is tokenised alone, as in A1111.
    """
    parts: list[Unit] = []
    for piece in [Piece(text)] if emphasis == "none" else parse(text):
        if piece.ends_chunk and emphasis != "none":
            parts.append(END)
        else:
            weight = 1.0 if emphasis == "ignore" else piece.weight
            parts += units(ids(piece.text), words, weight)
    return chunks(parts, comma=comma)
