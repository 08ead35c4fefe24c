"""Owns how a prompt of any length is cut into the 75-token chunks that CLIP can read."""

from __future__ import annotations

from collections.abc import Sequence

CHUNK = 75
"""Tokens in a chunk; the start and end tokens make it CLIP's 77."""

_BACKTRACK = 20
"""How far back from a full chunk's end a comma may lie to be cut at (A1111's default)."""


def chunks(tokens: Sequence[int], *, comma: int) -> list[list[int]]:
    """Token ids without start and end, cut into one or more lists of at most 75.

    As A1111: where a chunk is full and its last comma among its last 20 tokens, what follows the
    comma moves to the next chunk. `comma` is the id of a comma that ends a word.
    """
    done: list[list[int]] = []
    chunk: list[int] = []
    last_comma: int | None = None
    for token in tokens:
        if len(chunk) == CHUNK:
            cut = CHUNK
            if token != comma and last_comma is not None and CHUNK - last_comma <= _BACKTRACK:
                cut = last_comma + 1
            done.append(chunk[:cut])
            chunk, last_comma = chunk[cut:], None
        if token == comma:
            last_comma = len(chunk)
        chunk.append(token)
    if chunk or not done:
        done.append(chunk)
    return done
