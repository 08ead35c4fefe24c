"""How far a run has come: what its bars and lines tell people."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, FakeStep
from rich.console import Console

from sdcli.cli.progress_bar import Bars, Pace, spoken


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that it is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def walk(pace: Pace, clock: list[float], job: int, batch: int, steps: int = 4) -> None:
    """All steps of a batch, a second each."""
    for index in range(1, steps + 1):
        clock[0] += 1
        pace.step(job, batch, FakeStep(index, steps, 1.0, index, index / steps))


def test_half_a_batch_is_half_its_pictures(clock: list[float]) -> None:
    pace = Pace(10)
    walk(pace, clock, 1, 2)
    assert (pace.finished, pace.done, pace.numbers) == (2, 2, "1–2")
    clock[0] += 1
    pace.step(3, 2, FakeStep(2, 4, 1.0, 2, 0.5))
    assert (pace.finished, pace.done, pace.numbers) == (2, 3, "3–4")
    assert pace.remaining == spoken(5 / 3 * 7)


def test_speed_is_of_the_batch_alone(clock: list[float]) -> None:
    pace = Pace(2)
    walk(pace, clock, 1, 1)
    assert pace.speed == "1.0 it/s"
    clock[0] += 50  # the first of the next loads something
    walk(pace, clock, 2, 1)
    assert pace.speed == "1.0 it/s"
    assert pace.remaining == ""


def test_a_batch_that_is_tried_again_begins_anew(clock: list[float]) -> None:
    pace = Pace(2)
    pace.step(1, 2, FakeStep(3, 4, 1.0, 3, 0.75))
    pace.step(1, 2, FakeStep(1, 4, 1.0, 1, 0.25))
    assert pace.begins
    assert pace.done == 0.5


@pytest.mark.parametrize(
    ("seconds", "said"), [(8.4, "8 s"), (89, "89 s"), (1200, "20 min"), (9000, "2.5 h")]
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


def drawn(jobs: int) -> str:
    """What the bars show in the middle of a run."""
    file = io.StringIO()
    screen = Console(file=file, force_terminal=True, width=80, color_system=None)
    shown, pace = Bars(screen), Pace(jobs)
    for job in (1, 2)[:jobs]:
        for index in (1, 2):
            pace.step(job, 1, FakeStep(index, 2, 0.5, index, index / 2))
            shown.move(pace)
    shown.stop()
    return file.getvalue()


def test_one_bar_of_all_and_one_of_the_batch() -> None:
    text = drawn(3)
    assert "2 of 3" in text
    assert "2/2 σ 0.5" in text


def test_one_picture_has_one_bar() -> None:
    text = drawn(1)
    assert "of 1" not in text
    assert "2/2 σ 0.5" in text


def test_lines_in_a_log_tell_what_is_left(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 100_000, 20))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    result = sdcli("gen", "a fox", "-s", "1-4", "-b", "2")
    assert "picture 1–2 of 4: step 1/3, σ 2" in result.err
    assert " left" in result.err


def test_what_is_finished_is_not_called_unmade(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text("a --seed 1\nb --seed 2\n")
    words = ["batch", "p.txt", "-o", "out/", "--resume"]
    assert sdcli(*words, "--shard", "1/2").err.count("not made") == 0
    result = sdcli(*words)
    assert "1 of 2 pictures are already finished" in result.err
    assert "not made" not in result.err
    engine.interrupts = {7}
    assert "2 not made" in sdcli("gen", "a fox", "-s", "6-8", "-b", "1").err
