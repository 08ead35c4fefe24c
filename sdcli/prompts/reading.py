"""Owns reading one text as a model does: its pieces as tokens, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .attention import Emphasis, Piece, parse
from .chunks import END, Token, Unit, chunks, units


def read(
    text: str,
    ids: Callable[[str], Sequence[int]],
    *,
    comma: int | None,
    emphasis: Emphasis,
    words: Mapping[tuple[int, ...], tuple[int, ...]],
) -> list[list[Token]]:
    """The tokens of a text in chunks of at most 75; at least one chunk.

    `ids` is the tokenizer, `comma` the id of a comma that ends a word, `words` what runs of ids
    stand for. Each piece is tokenised alone, as in A1111.
    """
    found: list[Unit] = []
    for piece in [Piece(text)] if emphasis == "none" else parse(text):
        if piece.ends_chunk and emphasis != "none":
            found.append(END)
        else:
            weight = 1.0 if emphasis == "ignore" else piece.weight
            found += units(ids(piece.text), words, weight)
    return chunks(found, comma=comma)
