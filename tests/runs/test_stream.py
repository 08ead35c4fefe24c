"""`sdcli batch -`: rows from a pipe are made as they come, and answered."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from faked_process import FAKED
from fakes import FakeEngine


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what comes in."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_row_is_made_before_the_next_one_is_sent() -> None:
    command = [*FAKED, "batch", "-", "-o", "out/", "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number, seed in enumerate((5, 7, 9), start=1):
            process.stdin.write(f"a fox --seed {seed}\n")
            events = iter(json.loads(line) for line in process.stdout)
            answer = next(event for event in events if event["event"] == "row")
            assert answer == {
                "event": "row",
                "row": number,
                "paths": [f"out/0000{number}-{seed}.png"],
                "failed": 0,
            }
            assert Path(answer["paths"][0]).exists()
        process.stdin.close()
        end = json.loads(process.stdout.read().splitlines()[-1])
    assert (end["event"], end["made"], end["failed"]) == ("end", 3, 0)
    assert process.returncode == 0


def test_paths_come_in_order(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("# first\na --seed 1\n\nb --seed 2 --steps 3\nc --seed 3 --n_iter 2\n")
    result = sdcli("batch", "-", "-o", "{row}-{seed}")
    assert (result.code, result.lines) == (0, ["2-1.png", "4-2.png", "5-3.png", "5-4.png"])


def test_json_is_told_by_its_first_sign(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe('{"prompt": "a", "seed": 1}\n{"prompt": "b", "seed": 2}\n')
    assert sdcli("batch", "-", "-o", "{row}").lines == ["1.png", "2.png"]
    assert [made.prompt for made in engine.made] == ["a", "b"]


def test_a_bad_row_stops_no_other(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("a --seed 1\nb --foo\nc --steps x\nd --seed 4\n")
    result = sdcli("batch", "-", "-o", "{row}", "--json")
    events = [json.loads(line) for line in result.lines]
    assert result.code == 1
    assert [event["row"] for event in events if event["event"] == "row"] == [1, 4]
    wrong = [event["message"] for event in events if event["event"] == "error"]
    assert any("stdin, line 2: unknown option --foo" in message for message in wrong)
    assert any("stdin, line 3: steps" in message for message in wrong)
    assert (events[-1]["made"], events[-1]["failed"]) == (2, 2)


def test_a_table_is_read_whole(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("prompt,seed\na,1\nb,2\n")
    assert sdcli("batch", "-", "--input-format", "csv", "-o", "{row}").lines == ["2.png", "3.png"]
    pipe('[[picture]]\nprompt = "a"\nseed = 4\n' + "# and so on\n" * 100)
    assert sdcli("batch", "-", "-o", "{seed}").lines == ["4.png"]


def test_a_pipe_may_be_planned_and_resumed(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("a --seed 1\nb --seed 2\n")
    assert len(sdcli("batch", "-", "-o", "out/", "--plan").lines) == 3
    for made in (2, 0):
        pipe("a --seed 1\nb --seed 2\n")
        assert len(sdcli("batch", "-", "-o", "out/", "--resume").lines) == made


def test_many_rows_that_wait_are_made_together(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("".join(f"a --seed {seed}\n" for seed in range(1, 201)))
    result = sdcli("batch", "-", "-o", "{seed}")
    assert result.lines == [f"{seed}.png" for seed in range(1, 201)]


def test_nothing_is_no_failure(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("")
    assert sdcli("batch", "-").code == 0


def test_an_animation_of_a_pipe_is_refused(sdcli: Any, engine: FakeEngine, pipe: Any) -> None:
    pipe("a --seed 1,2\n")
    result = sdcli("batch", "-", "--animate", "a.gif")
    assert result.code == 2
    assert "--animate" in result.err
    assert not engine.made
