"""How long a batch takes, without what its first step makes ready; and when that pays back."""

from __future__ import annotations

import time

import pytest
from fakes import FakeStep

from sdcli.runs.costs import Timing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that it is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def timed(clock: list[float], first: float, each: float, steps: int = 5, calls: int = 1) -> Timing:
    """A batch whose first step takes `first` seconds, and every other one `each`."""
    timing = Timing()
    for index in range(1, steps + 1):
        clock[0] += first if index == 1 else each
        timing.step(FakeStep(index, steps, 1.0, index * calls, index / steps))
    return timing


def test_the_first_step_does_not_count(clock: list[float]) -> None:
    assert timed(clock, 60.0, 2.0).a_call == pytest.approx(2.0)
    assert timed(clock, 60.0, 2.0, calls=2).a_call == pytest.approx(1.0)


def test_a_single_step_tells_nothing(clock: list[float]) -> None:
    assert timed(clock, 60.0, 2.0, steps=1).a_call is None
    assert timed(clock, 60.0, 2.0, steps=1).payback(3.0) is None


def test_compiling_is_what_the_first_step_took_beyond_a_step(clock: list[float]) -> None:
    said = timed(clock, 62.0, 2.0).payback(2.5)
    assert said == (
        "compiling took 60 s; a model call takes 2 s, and 2.5 s without --compile: "
        "compiling pays off after 120 calls"
    )


def test_what_is_not_known_is_not_told(clock: list[float]) -> None:
    assert timed(clock, 62.0, 2.0).payback(None) == (
        "compiling took 60 s; a model call takes 2 s: compare it with a run without --compile"
    )


def test_that_it_does_not_pay_is_told(clock: list[float]) -> None:
    said = timed(clock, 62.0, 2.0).payback(1.9)
    assert said
    assert said.endswith("and 1.9 s without --compile: compiling does not pay off here")


def test_what_took_no_time_is_no_news(clock: list[float]) -> None:
    assert timed(clock, 2.5, 2.0).payback(3.0) is None
