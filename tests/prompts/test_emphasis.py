"""Emphasis is read as A1111 reads it, and no text is too much for the parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdcli.prompts.emphasis import Piece, parse, to_text

SPECIAL = "()[]:\\"
PARTS = (*"ab 15.+-:()[]\\\n", "BREAK", ":1.3)", "\\(", " BREAK ")
ODD = st.lists(st.sampled_from(PARTS)).map("".join) | st.text()


EIGHT = (1, 1.1, 1, 1 / 1.1, 1, 1.5, 1, 1.21, 1)


def read(prompt: str) -> list[tuple[str, Any]]:
    return [(piece.text, pytest.approx(piece.weight)) for piece in parse(prompt)]


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        (
            r"a (b) [c] (d:1.5) ((e)) [(f)] \(g\)",
            list(zip(["a ", "b", " ", "c", " ", "d", " ", "e", " f (g)"], EIGHT, strict=True)),
        ),
        ("(a:1.3 b)", [("a:1.3 b", 1.1)]),
        ("(a:b:1.2)", [("a:b", 1.2)]),
        ("(a: -0.5 )", [("a", -0.5)]),
        ("[x:1.3]", [("x:1.3", 1 / 1.1)]),
        ("a (b [c", [("a ", 1), ("b ", 1.1), ("c", 1)]),
        ("a) b] c:1.2)", [("a) b] c:1.2)", 1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1), (" c", 1 / 1.1)]),
        ("((a:1.5):0.5)", [("a", 0.75)]),
        ("x((([[[a]]])))y", [("xay", 1)]),
        (r"a\b \\ \[c\]", [("ab \\ [c]", 1)]),
        ("", [("", 1)]),
        ("(a:1.5.)", [("a:1.5.", 1.1)]),
    ],
)
def test_known_answers(prompt: str, pieces: list[tuple[str, float]]) -> None:
    """What A1111's own parser gives, but for the last, at which it fails."""
    assert read(prompt) == pieces


def test_break_ends_a_chunk_outside_of_weights_only() -> None:
    assert read("a BREAK  b") == [("a", 1), ("BREAK", -1), ("b", 1)]
    assert [piece.ends_chunk for piece in parse("a BREAK b")] == [False, True, False]
    for inside in ("(a BREAK b)", "(a BREAK b:1.3)", "[a BREAK b]"):
        assert not any(piece.ends_chunk for piece in parse(inside)), inside
    assert read("(a BREAK b:1.3)") == [("a", 1.3), ("BREAK", -1.3), ("b", 1.3)]
    assert read("BREAKFAST") == [("BREAKFAST", 1)]


@given(st.text(st.characters(exclude_characters=SPECIAL)).filter(lambda text: "BREAK" not in text))
def test_plain_text_is_itself(text: str) -> None:
    assert parse(text) == [Piece(text)]


@given(ODD)
@example("(a:1.2)\\")
@example("x \\ BREAK \\ y")
@example(r"a(\:1.2)b")
@example("BREAK BREAK(BREAK)")
@example(f"(a:{'9' * 400})")
def test_what_is_printed_is_read_as_it_was(text: str) -> None:
    pieces = parse(text)
    assert parse(to_text(pieces)) == pieces


MANY = ("(", "[", "(a", "(a)", "(a:", ":1", "(a:1.1)", "\\", "[(", "a[", " ", "BREAK ")


@pytest.mark.slow
@pytest.mark.parametrize("part", MANY)
def test_a_hundred_kilobytes_of_brackets_are_read(part: str) -> None:
    """Their length is all that they cost: this takes minutes with the square of it."""
    count = 100_000 // len(part)
    assert parse(part * count)


@pytest.mark.slow
def test_weights_within_one_another_stay_numbers() -> None:
    prompt = "(a" * 30_000 + ":9)" * 30_000
    weights = [piece.weight for piece in parse(prompt)]
    assert weights[:2] == [9, 81]
    assert max(weights) == 1e6
