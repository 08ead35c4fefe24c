"""AND parts a prompt as A1111 parts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcli.prompts.and_prompts import Share, shares


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a cat", [("a cat", 1)]),
        ("a cat AND a dog", [("a cat", 1), (" a dog", 1)]),
        ("a cat :1.2 AND a dog :-.5", [("a cat", 1.2), (" a dog", -0.5)]),
        ("(dog:1.3) :-0.5", [("(dog:1.3)", -0.5)]),
        ("a dog:2.", [("a dog", 2)]),
        ("a dog: + 2", [("a dog: + 2", 1)]),
        ("BAND AND ANDES and sand", [("BAND", 1), (" ANDES and sand", 1)]),
        ("(a AND b:1.3)", [("(a", 1), (" b:1.3)", 1)]),
        ("", [("", 1)]),
    ],
)
def test_known_answers(prompt: str, found: list[tuple[str, float]]) -> None:
    assert shares(prompt) == [Share(*each) for each in found]


@given(st.text())
def test_there_is_a_share_more_than_words(text: str) -> None:
    assert len(shares(f"{text} AND {text}")) == 2 * len(shares(text))


def test_a_hundred_kilobytes_of_spaces_are_read() -> None:
    assert shares(f"a{' ' * 100_000}b")[0].weight == 1
