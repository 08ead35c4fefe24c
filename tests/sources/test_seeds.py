"""Seeds as people type them, and the requests that they become."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.sources.seeds import expand, parse_seeds, with_variation_seed

LAST = 2**64 - 1


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        (7, [7]),
        (" 7 ", [7]),
        ("0", [0]),
        ("007", [7]),
        ("1,2,5-8", [1, 2, 5, 6, 7, 8]),
        (" 1 , 2 ", [1, 2]),
        ("3,1,3", [3, 1, 3]),
        ("5-5", [5]),
        (f"{LAST - 1}-{LAST}", [LAST - 1, LAST]),
        (LAST, [LAST]),
    ],
    ids=str,
)
def test_seeds_are_a_number_a_list_or_a_range(text: str | int, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["-1", -1, " -1 "])
def test_minus_one_is_a_random_seed(text: str | int, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []

    def randrange(limit: int) -> int:
        limits.append(limit)
        return 42

    monkeypatch.setattr(random, "randrange", randrange)
    assert parse_seeds(text) == [42]
    assert limits == [4294967294]  # as A1111 draws them


def test_each_minus_one_of_a_list_is_drawn_anew() -> None:
    seeds = parse_seeds("5," + ",".join(["-1"] * 20))
    assert seeds[0] == 5
    assert len(set(seeds)) > 15
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *(
            (text, "is not a seed")
            for text in ("", " ", "x", "1,,2", ",1", "1,", "-2", "1-", "--1")
        ),
        *(
            (text, "is not a seed")
            for text in ("+7", "7.0", "1e3", "0x10", "1_0", "٣", "²", "1-2-3")
        ),
        *((text, "is not a seed") for text in ("1 - 2", "-1-3", "true", "9" * 5000, "1\n2")),
        ("8-5", "the range 8-5 runs backwards"),
        ("0-100000", "more than 100,000 seeds"),
        ("0-99999,0", "more than 100,000 seeds"),
        (str(2**64), "is too large"),
        (f"1-{2**64}", "is too large"),
    ],
    ids=lambda item: ascii(item)[:20],
)
def test_what_is_no_seed_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"--seed: .*{says}"):
        parse_seeds(text)


def test_a_range_that_runs_backwards_is_offered_the_other_way_round() -> None:
    with pytest.raises(UsageError) as error:
        parse_seeds("8-5")
    assert error.value.hint == "try 5-8"


def test_a_range_may_have_100_000_seeds() -> None:
    assert len(parse_seeds("1-100000")) == 100_000


BASE = GenerationRequest(seed=0, prompt="a fox", steps=3)


def test_count_goes_on_from_each_seed_in_order() -> None:
    requests = expand(BASE, [5, 100], count=3)
    assert [request.seed for request in requests] == [5, 6, 7, 100, 101, 102]


def test_only_the_seed_differs() -> None:
    [request] = expand(BASE, [9], count=1)
    assert request == GenerationRequest(seed=9, prompt="a fox", steps=3)
    assert BASE.seed == 0


def test_count_may_reach_the_last_seed_but_not_pass_it() -> None:
    assert expand(BASE, [LAST - 1], count=2)[1].seed == LAST
    with pytest.raises(UsageError, match="--count: the seeds run past"):
        expand(BASE, [LAST - 1], count=3)


def test_a_row_has_a_hundred_thousand_pictures_at_most() -> None:
    with pytest.raises(UsageError, match="--count: 1,000,000,000 pictures are more than 100,000"):
        expand(BASE, list(range(100_000)), count=10_000)


def test_variations_keep_the_seed_and_count_the_variation_seed() -> None:
    base = BASE.model_copy(update={"variation_seed": 40, "variation_strength": 0.2})
    pairs = [(each.seed, each.variation_seed) for each in expand(base, [5, 9], count=2)]
    assert pairs == [(5, 40), (5, 41), (9, 40), (9, 41)]


@pytest.mark.parametrize("given", [{}, {"variation_seed": -1}, {"variation_seed": "-1"}])
def test_a_variation_seed_is_random_unless_it_is_given(given: dict[str, Any]) -> None:
    drawn = [with_variation_seed({"variation_strength": "0.2", **given}) for _ in range(2)]
    assert drawn[0]["variation_seed"] != drawn[1]["variation_seed"]
    assert with_variation_seed({"variation_strength": "0", **given}) == {"variation_strength": "0"}
    kept = {"variation_strength": "x", "variation_seed": 7}
    assert with_variation_seed(kept) == kept


def test_no_seeds_make_no_requests() -> None:
    assert expand(BASE, [], count=3) == []
