"""Choices in prompts: what may come out, how often, and always the same for a seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcli.errors import UsageError
from sdcli.prompts.wildcards import escaped, read_wildcards, resolved

BIRDS = {"birds": ["wren", "owl"], "animals/cats": ["lynx"], "animals/dogs": ["pug", "collie"]}


def outcomes(template: str, count: int = 400) -> Counter[str]:
    return Counter(resolved(template, seed, BIRDS) for seed in range(count))


@pytest.mark.parametrize(
    ("template", "possible"),
    [
        ("a {red|blue} fox", {"a red fox", "a blue fox"}),
        ("{a|}b", {"ab", "b"}),
        ("{{a|b} c|d}", {"a c", "b c", "d"}),
        ("{2$$a|b|c}", {"a, b", "a, c", "b, a", "b, c", "c, a", "c, b"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{-1$$a|b}", {"", "a", "b"}),
        ("{2-$$a|b}", {"a, b", "b, a"}),
        ("{5$$a|b}", {"a, b", "b, a"}),
        ("a __birds__", {"a wren", "a owl"}),
        ("__animals/*__", {"lynx", "pug", "collie"}),
        ("{0::a|b}", {"b"}),
        ("{__birds__|x}", {"wren", "owl", "x"}),
        ("{2$$__birds__}", {"wren, owl", "owl, wren"}),
        ("{9999999999::a|b}", {"9999999999::a", "b"}),
    ],
)
def test_all_that_may_come_out_does(template: str, possible: set[str]) -> None:
    assert set(outcomes(template)) == possible


PLAIN = ("{a}", "{}", "{a", "a}", "{a|b", "[a|b]", "a|b", "(a:1.2)", "_a_", r"_\_birds__")
ESCAPED = (r"\{a|b\}", r"\{a|b}")


@pytest.mark.parametrize("text", [*PLAIN, *ESCAPED])
def test_what_is_no_choice_is_text(text: str) -> None:
    assert set(outcomes(text, 5)) == {text}


def test_weights_are_shares() -> None:
    found = outcomes("{3::a|b}", 4000)
    assert found["a"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_a_seed_always_chooses_alike_and_prompts_choose_apart() -> None:
    template = "{a|b|c|d} {a|b|c|d} {a|b|c|d}"
    assert resolved(template, 7, {}) == resolved(template, 7, {})
    both = {(resolved(template, s, {}), resolved(template, s, {}, negative=True)) for s in range(9)}
    assert any(one != other for one, other in both)


def test_a_choice_may_hold_choices() -> None:
    known = {"a": ["{x|y} __b__"], "b": ["z"]}
    assert {resolved("__a__", seed, known) for seed in range(20)} == {"x z", "y z"}


@pytest.mark.parametrize(
    ("template", "known", "message"),
    [
        ("__bird__", BIRDS, "there is no wildcard __bird__"),
        ("__a__", {"a": ["__a__"]}, "choices are nested more than"),
        ("__a__", {"a": []}, "is empty"),
    ],
)
def test_what_cannot_be_chosen_is_told(
    template: str, known: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        resolved(template, 1, known)


def test_files_are_found_in_folders_within(tmp_path: Path) -> None:
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals/cats.txt").write_text("\ufefflynx\n\n# none\n  2::puma \n", "utf-8")
    (tmp_path / "other.md").write_text("no")
    assert read_wildcards([tmp_path]) == {"animals/cats": ["lynx", "2::puma"]}
    with pytest.raises(UsageError, match="there is no folder"):
        read_wildcards([tmp_path / "none"])


@pytest.mark.slow
@given(st.text(st.sampled_from("{}|$:1.-_ab")) | st.text())
def test_no_text_is_too_much(text: str) -> None:
    """Nothing comes of it that was not in it, or it is told what is wrong."""
    try:
        made = resolved(text, 3, {})
    except UsageError:
        return
    assert set(made) <= set(text) | set(", ")


def test_what_is_escaped_is_not_chosen_from() -> None:
    for text in ("a {red|blue} {x} __birds__", "{2$$a|b}", "{a{b|c}d}", r"\{a|b}"):
        assert "{" in text
        assert resolved(escaped(text), 1, {}).replace("\\", "") == text.replace("\\", "")
    assert escaped("a {x} fox") == "a {x} fox"


def test_braces_in_one_another_are_read() -> None:
    deep = "{" * 30_000 + "a" + "}" * 30_000
    assert resolved(deep, 1, {}) == deep


@pytest.mark.parametrize("part", ["{", "{a|", "}", "{a}", "__", "{1$$", "{a|b}"])
def test_a_hundred_kilobytes_are_read(part: str) -> None:
    assert len(resolved(part * (100_000 // len(part)), 1, {})) <= 100_000
