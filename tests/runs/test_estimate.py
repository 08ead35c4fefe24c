"""`--plan`: what would be made is what is made, in calls, files and seeds; and nothing is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.request import GenerationRequest
from sdcli.runs.costs import Speeds
from sdcli.runs.estimate import model_calls


def planned(sdcli: Any, *words: str) -> list[dict[str, Any]]:
    result = sdcli(*words, "--plan", "--json")
    assert result.code == 0, result.err
    events = [json.loads(line) for line in result.lines]
    assert {event["event"] for event in events} == {"plan"}
    return events


def test_nothing_is_made(sdcli: Any, engine: FakeEngine) -> None:
    planned(sdcli, "gen", "a fox", "-o", "out/")
    assert not engine.made
    assert not Path("out").exists()


def test_the_plan_is_what_is_made_then(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text(
        "a fox --seed 4\nb --seed 2 --steps 3 --n_iter 2\n{red|blue} --seed 9\n"
    )
    plan = planned(sdcli, "batch", "p.txt", "-o", "out/{index:03}-{row}")
    made = sdcli("batch", "p.txt", "-o", "out/{index:03}-{row}")
    assert [event["path"] for event in plan] == made.lines
    requests = [GenerationRequest(**event["request"]) for event in plan]
    assert sorted(map(repr, requests)) == sorted(map(repr, engine.made))
    assert [(event["job"], event["row"]) for event in plan] == [(1, 1), (2, 2), (3, 2), (4, 3)]


def test_a_picture_planned_again_is_its_own_request(sdcli: Any, engine: FakeEngine) -> None:
    sdcli("gen", "a fox", "-s", "5", "-S", "Euler a", "--steps", "7", "-o", "old.png")
    [event] = planned(sdcli, "again", "old.png")
    [made] = engine.made
    again = GenerationRequest(**event["request"])
    assert again == made.model_copy(update={"width": 64, "height": 64})


def test_tokens_are_counted(sdcli: Any, engine: FakeEngine) -> None:
    [event] = planned(sdcli, "gen", "a red fox AND [a:a b c:0.5]", "-n", "rain")
    assert event["negative_tokens"] >= 1
    [longer] = planned(sdcli, "gen", "a red fox and then some more AND [a:a b c:0.5]")
    assert longer["tokens"] > event["tokens"] >= 3


@pytest.mark.parametrize(
    ("values", "calls"),
    [
        ({"sampler": "Euler", "steps": 7}, 7),
        ({"sampler": "Heun", "steps": 7}, 13),
        ({"sampler": "DPM adaptive"}, None),
        ({"sampler": "DDIMScheduler"}, None),
        ({"sampler": "Euler", "steps": 10, "init_img": "in.png", "strength": 0.5}, 6),
        ({"sampler": "Euler", "init_img": "in.png", "strength": 0.0}, 0),
        ({"sampler": "Euler", "steps": 5, "hires_scale": 2.0, "hires_steps": 3}, 8),
        ({"sampler": "Euler", "steps": 5, "init_img": "in.png", "invert": True}, 5 + 4 * 5),
        ({"sampler": "Euler", "steps": 10, "init_img": "in.png", "strength": 0.5, "upscale": 2.0,
          "tile_overlap": 0}, 24),
    ],
)  # fmt: skip
def test_calls(engine: FakeEngine, values: dict[str, Any], calls: int | None) -> None:
    Image.new("RGB", (64, 64)).save("in.png")
    request = GenerationRequest(prompt="a", seed=1, **values)
    assert model_calls(request, engine.model) == calls


def test_the_time_is_that_of_the_last_run(sdcli: Any, engine: FakeEngine) -> None:
    words = ["gen", "a", "-s", "1", "--size", "64x64", "--steps", "10", "-S", "Euler"]
    assert planned(sdcli, *words)[0]["seconds"] is None
    request = GenerationRequest(prompt="a", seed=1, width=64, height=64)
    speeds = Speeds.read()
    speeds.learn("builtin", request, 64, "cpu, fp32", 0.5)
    speeds.keep()
    assert planned(sdcli, *words)[0]["seconds"] == 5.0
    assert "about 5 s" in sdcli(*words, "--plan").err
    assert sdcli(*words).code == 0  # a run is remembered in its place
    assert planned(sdcli, *words)[0]["seconds"] < 5


def test_a_cache_cut_short_is_none(sdcli: Any, engine: FakeEngine) -> None:
    for text in (
        *("{", "[]", '{"builtin 64x64": "x"}', '{"builtin 64x64": {"1": 0.5}}'),
        *('{"builtin 64x64": {"cpu": {"x": 0.5}}}', '{"builtin 64x64": {"cpu": {}}}'),
    ):
        path = Speeds._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        assert planned(sdcli, "gen", "a", "-s", "1")[0]["seconds"] is None


def test_for_people_a_table_and_a_sum(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a fox, " * 20, "-s", "1,2", "-S", "Euler", "--steps", "5", "--plan")
    assert len(result.lines) == 3
    assert result.lines[0].split("\t")[:2] == ["ROW", "FILE"]
    assert "2 pictures, 10 model calls; nothing was made" in result.err


@pytest.mark.parametrize("flag", ["--plan", "--dry-run"])
def test_what_is_wrong_is_told(sdcli: Any, engine: FakeEngine, flag: str) -> None:
    Path("p.txt").write_text("a --steps x\nb --foo\nc\n")
    result = sdcli("batch", "p.txt", flag)
    assert result.code == 2
    assert "line 1" in result.err
    assert "line 2" in result.err
    assert result.out == ""
    result = sdcli("batch", "p.txt", flag, "--keep-going")
    assert result.code == 2
    assert len(result.lines) == 2
