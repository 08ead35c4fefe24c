"""How long prompts are cut into CLIP's chunks of 75 tokens, at a comma where one is near."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcli.prompts import chunks as module
from sdcli.prompts.chunks import END, Unit, units

COMMA = 267


def prompt(length: int, *commas: int) -> list[int]:
    """Tokens 1000, 1001, … with a comma at these places."""
    return [COMMA if place in commas else 1000 + place for place in range(length)]


def chunks(tokens: Sequence[int | Unit], *, comma: int) -> list[list[int]]:
    """The ids of the chunks of these tokens."""
    made = [token if isinstance(token, Unit) else Unit((token,)) for token in tokens]
    return [[id for id, _ in chunk] for chunk in module.chunks(made, comma=comma)]


def lengths(*args: int) -> list[int]:
    """The lengths of that prompt's chunks."""
    return [len(chunk) for chunk in chunks(prompt(*args), comma=COMMA)]


def test_an_empty_prompt_is_one_empty_chunk() -> None:
    assert chunks([], comma=COMMA) == [[]]


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [1]), (74, [74]), (75, [75]), (76, [75, 1]), (150, [75, 75]), (200, [75, 75, 50])],
)
def test_without_commas_the_cut_is_at_75(length: int, expected: list[int]) -> None:
    assert lengths(length) == expected


@pytest.mark.parametrize(
    ("comma", "expected"),
    [
        pytest.param(74, [75, 5], id="last place: nothing to move"),
        pytest.param(73, [74, 6], id="one token moves"),
        pytest.param(60, [61, 19], id="the tail moves"),
        pytest.param(55, [56, 24], id="20 from the end: the tail moves"),
        pytest.param(54, [75, 5], id="21 from the end: too far"),
        pytest.param(0, [75, 5], id="at the start: too far"),
    ],
)
def test_what_follows_a_comma_near_the_end_moves_on(comma: int, expected: list[int]) -> None:
    found = chunks(prompt(80, comma), comma=COMMA)
    assert [len(chunk) for chunk in found] == expected
    assert found[0] + found[1] == prompt(80, comma)


def test_the_last_comma_counts() -> None:
    assert lengths(80, 57, 62, 70) == [71, 9]


def test_a_full_chunk_that_nothing_follows_stays_whole() -> None:
    assert lengths(75, 70) == [75]


def test_a_comma_that_meets_a_full_chunk_just_starts_the_next() -> None:
    """Though another comma is near the end."""
    found = chunks(prompt(80, 70, 75), comma=COMMA)
    assert [len(chunk) for chunk in found] == [75, 5]
    assert found[1][0] == COMMA


def test_a_moved_tail_counts_towards_the_next_chunk() -> None:
    assert lengths(56 + 75 + 1, 55) == [56, 75, 1]


def test_the_comma_of_an_earlier_chunk_is_forgotten() -> None:
    """One at place 60 cuts the first chunk, and is no reason to cut the second."""
    assert lengths(61 + 80, 60) == [61, 75, 5]


def test_each_chunk_looks_for_its_own_comma() -> None:
    assert lengths(200, 70, 71 + 65) == [71, 66, 63]


@given(st.lists(st.sampled_from([COMMA, 1, 2, 3]) | st.integers(0, 49407), max_size=400))
@settings(max_examples=200)
def test_nothing_is_lost_or_reordered_and_no_chunk_is_too_long(tokens: list[int]) -> None:
    found = chunks(tokens, comma=COMMA)
    assert [token for chunk in found for token in chunk] == tokens
    assert all(len(chunk) <= 75 for chunk in found)
    assert all(len(chunk) >= 56 for chunk in found[:-1])
    assert found[-1] or not tokens


def test_break_ends_a_chunk_full_or_not() -> None:
    """Even an empty one; but nothing comes after one that ends the prompt."""
    assert chunks([1, END, 2], comma=COMMA) == [[1], [2]]
    assert chunks([END, 2], comma=COMMA) == [[], [2]]
    assert chunks([1, END, END, 2], comma=COMMA) == [[1], [], [2]]
    assert chunks([1, END], comma=COMMA) == [[1]]


def test_a_comma_before_a_break_is_forgotten() -> None:
    assert [len(chunk) for chunk in chunks([COMMA, END, *prompt(80)], comma=COMMA)] == [1, 75, 5]


def test_what_must_not_be_parted_is_not() -> None:
    word = Unit((7, 8, 9))
    assert [len(c) for c in chunks([*prompt(73, 60), word, 1], comma=COMMA)] == [73, 4]
    assert [len(c) for c in chunks([*prompt(72), word, 1], comma=COMMA)] == [75, 1]


def test_what_meets_a_full_chunk_goes_after_its_last_comma_too() -> None:
    assert [len(c) for c in chunks([*prompt(75, 60), Unit((7, 8, 9))], comma=COMMA)] == [61, 17]


def test_every_token_keeps_its_weight() -> None:
    made = units([1, 5, 6, 2], {(5, 6): (70, 71, 72)}, 1.3)
    assert [unit.ids for unit in made] == [(1,), (70, 71, 72), (2,)]
    [chunk] = module.chunks(made, comma=COMMA)
    assert chunk == [(1, 1.3), (70, 1.3), (71, 1.3), (72, 1.3), (2, 1.3)]
