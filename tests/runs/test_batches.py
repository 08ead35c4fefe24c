"""How many pictures are made at once: what was measured decides, where there is enough to gain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from fakes import FakeEngine

from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings
from sdcli.runs.batches import batch_size
from sdcli.runs.costs import Speeds

LARGE = {"width": 512, "height": 512}  # of which four are made at once where nothing is known


def size(
    costs: Mapping[int, float], *, remaining: int = 1000, fits: int = 100, **settings: Any
) -> int:
    engine: Any = FakeEngine()
    engine.promised = fits
    request = GenerationRequest(prompt="a", seed=1, **LARGE)
    return batch_size(engine, Settings(**settings), request, remaining=remaining, costs=costs)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        pytest.param({}, 4, id="nothing known"),
        pytest.param({4: 1.0}, 8, id="twice as many are tried"),
        pytest.param({4: 1.0, 8: 0.9}, 16, id="and again, while it pays"),
        pytest.param({4: 1.0, 8: 0.9, 16: 0.95}, 8, id="until it does not"),
        pytest.param({4: 1.0, 8: 1.1}, 2, id="then half as many"),
        pytest.param({4: 1.0, 8: 1.1, 2: 0.8}, 1, id="and again"),
        pytest.param({4: 1.0, 8: 1.1, 2: 0.8, 1: 1.0}, 2, id="the cheapest stays"),
        pytest.param({1: 1.0, 2: 0.5}, 4, id="what single pictures took says little"),
        pytest.param({4: 1.0, 8: 0.99, 2: 1.01}, 1, id="half of the smallest of equals"),
        pytest.param({1: 1.0, 2: 0.99, 4: 0.98, 8: 0.975}, 1, id="of equals the smallest"),
        pytest.param({4: 1.3, 16: 1.0, 8: 1.2}, 16, id="the most"),
        pytest.param({4: 0.0001}, 4, id="too quick to tell"),
    ],
)
def test_the_cheapest_is_sought(costs: dict[int, float], expected: int) -> None:
    assert size(costs) == expected


def test_nothing_is_tried_that_too_few_would_gain_by() -> None:
    assert size({4: 1.0}, remaining=31) == 2
    assert size({4: 1.0}, remaining=32) == 8
    assert size({4: 1.0}, remaining=7) == 4
    assert size({1: 1.0, 2: 0.9}, remaining=3) == 2


def test_no_more_than_fit() -> None:
    assert size({4: 1.0, 8: 0.5}, fits=6) == 2
    assert size({4: 1.0, 2: 1.2}, fits=7) == 4
    assert size({}, fits=3) == 3


def test_a_size_that_does_not_fit_is_none() -> None:
    assert size({1: 1.0}, fits=2) == 2


def test_what_is_asked_for_is_done() -> None:
    assert size({4: 1.0, 8: 0.5}, batch_size=3) == 3


def test_another_size_is_not_compiled_for_a_trial() -> None:
    assert size({4: 1.0}, compile=True) == 4


def let_steps_take(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int, Any], float]
) -> None:
    """By a clock of its own, so long for so many pictures at that step."""
    now = [0.0]
    run = engine.start

    def start(requests: Any, **more: Any) -> Any:
        made = run(requests, **more)
        steps = type(made).__iter__

        class Slow(type(made)):  # type: ignore[misc]
            def __iter__(self) -> Any:
                for step in steps(self):
                    now[0] += seconds(len(requests), step)
                    yield step

        return Slow(engine, made.requests)

    monkeypatch.setattr(engine, "start", start)
    monkeypatch.setattr("sdcli.runs.costs.time.monotonic", lambda: now[0])


def test_a_run_learns_and_the_next_one_knows(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where four pictures at once take least, each."""
    takes = {1: 1.5, 2: 1.5, 4: 1.0, 8: 2.0, 16: 2.0}
    let_steps_take(engine, monkeypatch, lambda count, _: count * takes[count])
    engine.promised = engine.room = 16
    words = ["gen", "a", "-c", "98", "--size", "64x64", "-o", "out/"]
    assert sdcli(*words).code == 0
    counts = [len(batch) for batch in engine.batches]
    assert counts[:4] == [8, 16, 4, 2]  # 16 was no better, 4 was, 2 was not
    assert set(counts[4:-1]) == {4}
    request = GenerationRequest(prompt="a", seed=1, width=64, height=64)
    assert Speeds.read().costs("builtin", request, 64, "cpu, fp32") == {
        n: takes[n] for n in (8, 16, 4, 2)
    }
    engine.batches.clear()
    assert sdcli(*words).code == 0
    assert {len(batch) for batch in engine.batches[:-1]} == {4}


def test_ways_are_not_mixed_up_and_the_last_one_tells_the_time() -> None:
    request = GenerationRequest(prompt="a", seed=1, **LARGE)
    like = "model", request, 512
    speeds = Speeds({})
    speeds.learn(*like, "cpu, fp32", 2.0, at_once=4)
    speeds.learn(*like, "cpu, fp32", 1.5, at_once=8)
    speeds.learn(*like, "cpu, bf16", 1.0)
    assert speeds.costs(*like, "cpu, fp32") == {4: 2.0, 8: 1.5}
    assert speeds.costs(*like, "cpu, bf16") == {1: 1.0}
    assert speeds.costs(*like, "mps, fp16") == {}
    assert speeds.of(*like) == 1.0
    speeds.learn(*like, "cpu, fp32", 1.9, at_once=4)
    assert speeds.of(*like) == 1.5
    assert speeds.costs(*like, "cpu, fp32") == {4: 1.9, 8: 1.5}


def test_what_compiling_took_is_told_beside_what_it_gains(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_steps_take(engine, monkeypatch, lambda count, _: count * 3.0)
    assert sdcli("gen", "a", "-c", "2", "-b", "2", "-o", "a/").code == 0
    let_steps_take(engine, monkeypatch, lambda count, step: count * 2.0 + 90.0 * (step.index == 1))
    engine.compiled = True
    result = sdcli("gen", "a", "-c", "2", "-b", "2", "-o", "b/", "--compile")
    assert (
        "compiling took 90 s; a model call takes 4 s, and 6 s without --compile: "
        "compiling pays off after 45 calls" in result.err
    )
