"""`sdcli gen` end to end on a fake engine: what goes in, what comes out, and the exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, paint
from PIL import Image

from sdcli.cli import run
from sdcli.images.formats import read_file
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values


def test_prints_one_path_a_picture_and_nothing_else(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a fox", "--seed", "7", "-c", "3")
    assert result.code == 0
    assert [Path(line).name for line in result.lines] == [
        "00001-7.png",
        "00002-8.png",
        "00003-9.png",
    ]
    assert all(Path(line).is_file() for line in result.lines)
    assert "builtin on cpu, fp32" in result.err


def test_each_picture_shows_its_own_request(sdcli: Any, engine: FakeEngine) -> None:
    for line in sdcli("gen", "a fox", "--seed", "1,5-6", "--size", "72x64").lines:
        text = read_file(Path(line))
        assert text is not None
        values, rest = to_values(read_text(text))
        assert rest == {}
        with Image.open(line) as image:
            expected = paint(GenerationRequest(**values))
            assert image.tobytes() == expected.tobytes()


def test_a_random_seed_is_recorded(sdcli: Any, engine: FakeEngine) -> None:
    first, second = (sdcli("gen", "a fox").lines[0] for _ in range(2))
    seeds = [read_text(read_file(Path(p)) or "").settings["Seed"] for p in (first, second)]
    assert seeds[0] != seeds[1]


def test_no_more_are_made_at_once_than_fit(sdcli: Any, engine: FakeEngine) -> None:
    engine.promised = 3
    assert sdcli("gen", "a fox", "-s", "1-7").code == 0
    assert engine.batches == [[1, 2, 3], [4, 5, 6], [7]]


@pytest.mark.parametrize("size", ["1", "2", "8"])
def test_batch_size_is_obeyed(sdcli: Any, engine: FakeEngine, size: str) -> None:
    sdcli("gen", "a", "-c", "5", "-s", "0", "-b", size)
    assert [seed for batch in engine.batches for seed in batch] == [0, 1, 2, 3, 4]
    assert max(map(len, engine.batches)) == min(int(size), 5)


def test_the_prompt_may_come_from_a_pipe(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["gen"], ["gen", "-"], ["gen", "--prompt", "-"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("a blue fox\n"))
        [line] = sdcli(*arguments).lines
        assert read_text(read_file(Path(line)) or "").prompt == "a blue fox"


def test_a_prompt_given_leaves_the_pipe_alone(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker started by another program must not wait on its stdin."""
    pipe = io.StringIO("something else")
    monkeypatch.setattr("sys.stdin", pipe)
    assert sdcli("gen", "a fox").code == 0
    assert pipe.read() == "something else"


def test_events_are_json_lines(sdcli: Any, engine: FakeEngine) -> None:
    events = [json.loads(line) for line in sdcli("gen", "a", "-s", "4", "--json").lines]
    assert all(next(iter(event)) == "event" for event in events)
    assert [e["event"] for e in events] == ["start", *["progress"] * 3, "picture", "end"]
    start, progress, *_, picture, end = events
    assert (start["jobs"], start["model"], start["device"], start["dtype"]) == (
        1,
        "builtin",
        "cpu",
        "fp32",
    )
    assert progress == {
        "event": "progress",
        "job": 1,
        "batch": 1,
        "step": 1,
        "steps": 3,
        "sigma": 2.0,
        "evals": 1,
    }
    assert picture["seed"] == 4
    assert Path(picture["path"]).is_file()
    assert GenerationRequest(**picture["request"]).seed == 4
    assert (end["made"], end["failed"], end["skipped"]) == (1, 0, 0)


def test_a_failure_leaves_the_others_and_exits_1(sdcli: Any, engine: FakeEngine) -> None:
    engine.fails = {1}
    result = sdcli("gen", "a", "-s", "0-2", "-b", "1", "--json")
    events = [json.loads(line) for line in result.lines]
    assert result.code == 1
    assert [e["seed"] for e in events if e["event"] == "picture"] == [0, 2]
    [error] = [e for e in events if e["event"] == "error"]
    assert (error["row"], error["message"], error["hint"]) == (2, "the model gave NaN", "try fp32")
    assert "picture 2: the model gave NaN" in result.err
    assert (events[-1]["made"], events[-1]["failed"]) == (2, 1)


def test_an_interruption_keeps_what_is_finished(sdcli: Any, engine: FakeEngine) -> None:
    engine.interrupts = {2}
    result = sdcli("gen", "a", "-s", "0-4", "-b", "1")
    assert result.code == 130
    assert len(result.lines) == 2
    assert all(Path(line).is_file() for line in result.lines)
    assert "2 made, 3 not made" in result.err
    assert not list(Path().rglob("*.part"))


def test_an_output_that_vanishes_fails_and_is_told(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = sdcli("gen", "a", "-s", "1")
    assert result.code == 1
    assert "No space left on device" in result.err
    assert result.out == ""
    assert not [path for path in Path().rglob("*") if path.is_file()]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_every_format_carries_the_settings(sdcli: Any, engine: FakeEngine, ending: str) -> None:
    [line] = sdcli("gen", "ein Fuchs, rot – größer", "-s", "3", "-o", f"x.{ending}").lines
    with Image.open(line) as image:
        assert image.format == {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[ending]
    assert read_text(read_file(Path(line)) or "").prompt == "ein Fuchs, rot – größer"


def test_a_text_too_long_for_a_jpeg_is_told_before_it_is_made(
    sdcli: Any, engine: FakeEngine
) -> None:
    result = sdcli("gen", "fox " * 20_000, "--format", "jpg")
    assert (result.code, result.out, engine.batches) == (2, "", [])
    assert "--format png" in result.err
    assert sdcli("gen", "fox " * 20_000, "--format", "jpg", "--no-metadata").code == 0


def test_metadata_can_be_left_out(sdcli: Any, engine: FakeEngine) -> None:
    [line] = sdcli("gen", "secret", "--no-metadata").lines
    assert read_file(Path(line)) is None


def test_a_picture_can_be_taken_up_again(sdcli: Any, engine: FakeEngine) -> None:
    [first] = sdcli("gen", "a fox", "-s", "11", "-S", "euler a karras", "--eta", "0.4").lines
    [second] = sdcli("gen", "--from", first).lines
    assert read_file(Path(first)) == read_file(Path(second))
    [third] = sdcli("gen", "--from", first, "--seed", "12").lines
    assert read_text(read_file(Path(third)) or "").settings["Seed"] == "12"


def test_layers_win_in_their_order(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """default < config < preset < environment < flag, seen in the picture's own text."""
    assert sdcli("config", "set", "steps", "11").code == 0
    Path("presets").mkdir()
    Path("presets/mine.toml").write_text("steps = 12\nmodel = 'from-preset'\n")

    def settings(*arguments: str) -> tuple[str, str]:
        taken = read_text(read_file(Path(sdcli("gen", "a", *arguments).lines[0])) or "")
        return taken.settings["Steps"], taken.settings["Model"]

    assert settings() == ("11", "builtin")
    assert settings("--preset", "mine") == ("12", "from-preset")
    monkeypatch.setenv("SDCLI_MODEL", "from-environment")
    assert settings("--preset", "mine") == ("12", "from-environment")
    assert settings("--preset", "mine", "-m", "flag", "--steps", "13") == ("13", "flag")


def test_bytes_go_to_stdout(engine: FakeEngine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["gen", "a", "-s", "1", "-o", "-"]) == 0
    with Image.open(io.BytesIO(capfdbinary.readouterr().out)) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("room", [1, 2, 3])
def test_what_does_not_fit_is_tried_with_fewer_at_once(
    sdcli: Any, engine: FakeEngine, room: int
) -> None:
    """The same pictures in the same order, and said."""
    engine.room = room
    result = sdcli("gen", "a", "-s", "1-5", "-b", "4", "-o", "{seed}")
    assert result.code == 0
    assert result.lines == [f"{seed}.png" for seed in range(1, 6)]
    assert "out of memory while sampling: continuing with 2 at a time" in result.err
    assert engine.batches[0] == [1, 2, 3, 4]
    assert all(len(batch) <= room for batch in engine.batches[2 if room > 1 else 3 :])


def test_one_picture_that_does_not_fit_fails(sdcli: Any, engine: FakeEngine) -> None:
    engine.room = 0
    result = sdcli("gen", "a", "-s", "1-3", "-o", "{seed}")
    assert result.code == 1
    assert result.out == ""
    assert "picture 1: out of memory" in result.err
    assert "not made" in result.err
