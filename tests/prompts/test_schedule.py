"""Prompt editing is read as A1111 reads it, and switches when A1111 switches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick import slow

from sdcli.prompts.schedule import Pass, Stretch, text_at, timeline

TEN = Pass(10)
PARTS = (*"ab []():|.5\\\n", "[a:b:5]", ":0.5]", "[a|b]")


def read(prompt: str, over: Pass = TEN) -> list[tuple[int, str]]:
    return [(stretch.until, stretch.text) for stretch in timeline(prompt, over)]


@pytest.mark.parametrize(
    ("prompt", "stretches"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("[a::4]", [(4, "a"), (10, "")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("(a (b) [c:d:0.3])", [(3, "(a (b) c)"), (10, "(a (b) d)")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-0.5]", [(10, "b")]),
        ("[fe|]male", [(n, "female" if n % 2 else "male") for n in range(1, 11)]),
        ("[a|(b:1.1)]", [(n, "a" if n % 2 else "(b:1.1)") for n in range(1, 11)]),
    ],
)
def test_known_answers(prompt: str, stretches: list[tuple[int, str]]) -> None:
    """What A1111's own parser gives."""
    assert read(prompt) == stretches


@pytest.mark.parametrize(
    "prompt",
    [
        "a [unbalanced",
        "[a:b]",
        "[x]",
        "(a:1.3)",
        "[a:b|c]",
        "[x (y:c:0.5]",
        "[a:b:c:5]",
        r"\[a:b:5\]",
        "a [b:c:5] | d",
        "[b:c:5] \\",
    ],
)
def test_what_is_no_edit_is_text(prompt: str) -> None:
    assert read(prompt) == [(10, prompt)]


def test_a_bracket_that_is_none_leaves_those_after_it() -> None:
    assert read("((a][:b:c [d:3]") == [(3, "((a][:b:c "), (10, "((a][:b:c d")]
    assert read("([a:b] [c:d:5])") == [(5, "([a:b] c)"), (10, "([a:b] d)")]


def test_the_second_pass_of_a_hires_fix_goes_on_from_the_first() -> None:
    second = Pass(10, first=20)
    assert read("[a:b:1.5]", second) == [(5, "a"), (10, "b")]
    assert read("[a:b:25]", second) == [(5, "a"), (10, "b")]
    assert read("[a:b:0.5]", second) == [(10, "b")]


def test_the_old_reading_takes_no_notice_of_the_point() -> None:
    old = Pass(20, first=20, old=True)
    assert read("[a:b:5.0]", old) == [(5, "a"), (20, "b")]
    assert read("[a:b:0.5]", old) == [(10, "a"), (20, "b")]


def test_a_change_comes_one_call_late() -> None:
    """A1111 counts calls from 0 and asks for the first stretch that ends no earlier."""
    stretches = timeline("[a:b:3]", TEN)
    assert [text_at(stretches, call) for call in range(6)] == ["a", "a", "a", "a", "b", "b"]
    by_turns = timeline("[a|b]", TEN)
    assert "".join(text_at(by_turns, call) for call in range(8)) == "aabababa"
    assert text_at(stretches, 11) == "a"  # beyond the last one the first, in A1111 too


@given(st.text(st.characters(exclude_characters="[]():|\\")))
def test_plain_text_is_itself(text: str) -> None:
    assert timeline(text, TEN) == [Stretch(10, text)]


@given(st.lists(st.sampled_from(PARTS)).map("".join) | st.text(), st.integers(1, 30))
def test_no_text_is_too_much(text: str, calls: int) -> None:
    """There is a stretch to the last call, and each ends after the one before."""
    ends = [stretch.until for stretch in timeline(text, Pass(calls))]
    assert ends[-1] == calls
    assert ends == sorted(set(ends))


PARTS = ("(a", "[a:", "[a|", "[a:b:1]", "[a|b]", "a:", "|", "(a)")


@pytest.mark.parametrize("part", ["[", *map(slow, PARTS)])
def test_a_hundred_kilobytes_of_brackets_are_read(part: str) -> None:
    """However deep they lie in one another."""
    prompt = part * (100_000 // len(part))
    assert timeline(prompt, TEN)[-1].until == 10


def test_edits_within_edits_however_deep() -> None:
    depth = 20_000
    assert read("[" * depth + "a" + ":b:5]" * depth) == [(5, "a"), (10, "b")]
