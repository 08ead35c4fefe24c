"""Owns how a prompt of any length is cut into the 75-token chunks that CLIP can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CHUNK = 75
"""Tokens in a chunk; the start and end tokens make it CLIP's 77."""

_BACKTRACK = 20
"""How far back from a full chunk's end a comma may lie to be cut at (A1111's default)."""


Unit = int | tuple[int, ...]
"""A token, or tokens that must not be parted."""


def chunks(units: Sequence[Unit], *, comma: int) -> list[list[int]]:
    """Token ids without start and end, cut into one or more lists of at most 75.

    As A1111: where a chunk is full and its last comma among its last 20 tokens, what follows the
    comma moves to the next chunk. What must not be parted and has no room begins the next one.
    `comma` is the id of a comma that ends a word.
    """
    done: list[list[int]] = []
    chunk: list[int] = []
    last_comma: int | None = None
    for unit in units:
        if isinstance(unit, tuple):
            if len(chunk) + len(unit) > CHUNK:
                done.append(chunk)
                chunk, last_comma = [], None
            chunk.extend(unit)
            continue
        if len(chunk) == CHUNK:
            cut = CHUNK
            if unit != comma and last_comma is not None and CHUNK - last_comma <= _BACKTRACK:
                cut = last_comma + 1
            done.append(chunk[:cut])
            chunk, last_comma = chunk[cut:], None
        if unit == comma:
            last_comma = len(chunk)
        chunk.append(unit)
    if chunk or not done:
        done.append(chunk)
    return done


def joined(ids: Sequence[int], words: Mapping[tuple[int, ...], tuple[int, ...]]) -> list[Unit]:
    """The ids with every run that is one of `words` replaced by what that stands for, unparted.

    Of words that begin alike the longest wins.
    """
    longest_first = sorted(words, key=len, reverse=True)
    units: list[Unit] = []
    place = 0
    while place < len(ids):
        here = tuple(ids[place : place + len(longest_first[0])]) if words else ()
        word = next((word for word in longest_first if here[: len(word)] == word), None)
        units.append(ids[place] if word is None else words[word])
        place += 1 if word is None else len(word)
    return units
