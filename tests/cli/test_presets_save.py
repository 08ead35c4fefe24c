"""`sdcli presets save`: settings kept under a name, and taken up again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.images.formats import encode
from sdcli.request import GenerationRequest
from sdcli.request.infotext import write_text


def kept(result: Any) -> dict[str, Any]:
    assert result.code == 0, result.err
    [path] = result.lines
    return tomllib.loads(Path(path).read_text())


def test_flags_are_kept_and_taken_up(sdcli: Any, engine: FakeEngine) -> None:
    words = ["-S", "Euler a Karras", "--steps", "7", "-n", "rain, fog", "--size", "64x128"]
    found = kept(sdcli("presets", "save", "mine", *words, "--description", "for rain"))
    assert found == {
        "description": "for rain",
        "sampler": "Euler a",
        "scheduler": "Karras",
        "steps": 7,
        "negative_prompt": "rain, fog",
        "width": 64,
        "height": 128,
    }
    assert "for rain" in sdcli("presets", "list").out
    assert sdcli("gen", "a", "-s", "1", "--preset", "mine").code == 0
    [made] = engine.made
    assert (made.sampler, made.scheduler, made.steps) == ("Euler a", "Karras", 7)
    assert (made.negative_prompt, made.height) == ("rain, fog", 128)


def test_a_pictures_settings_are_kept_without_its_seed(sdcli: Any, engine: FakeEngine) -> None:
    request = GenerationRequest(prompt="a fox", seed=3, steps=9, cfg_scale=3, width=64, height=64)
    text = write_text(request)
    Path("a.png").write_bytes(encode(Image.new("RGB", (64, 64)), text, "png", quality=1))
    found = kept(sdcli("presets", "save", "fox", "--from", "a.png", "--steps", "5"))
    assert (found["prompt"], found["steps"], found["cfg_scale"]) == ("a fox", 5, 3)
    assert "seed" not in found
    assert sdcli("gen", "--preset", "fox", "-s", "3").code == 0
    assert engine.made == [request.model_copy(update={"steps": 5})]


def test_a_persons_defaults_are_not_mixed_in(sdcli: Any) -> None:
    sdcli("config", "set", "steps", "50")
    assert kept(sdcli("presets", "save", "mine", "--cfg", "3")) == {"cfg_scale": 3}


def test_a_lora_is_kept_in_the_prompt(sdcli: Any) -> None:
    found = kept(sdcli("presets", "save", "mine", "-p", "a fox", "--lora", "ink:0.5"))
    assert found == {"prompt": "a fox <lora:ink:0.5>"}


def test_it_may_belong_to_the_project(sdcli: Any) -> None:
    result = sdcli("presets", "save", "mine", "--steps", "3", "--project")
    assert result.lines == ["presets/mine.toml"]


def test_one_of_the_same_name_stays(sdcli: Any) -> None:
    sdcli("presets", "save", "mine", "--steps", "3")
    result = sdcli("presets", "save", "mine", "--steps", "4")
    assert result.code == 2
    assert "mine.toml exists" in result.err
    assert kept(sdcli("presets", "save", "mine", "--steps", "4", "--overwrite")) == {"steps": 4}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine"], "there is nothing to save"),
        (["mine", "--steps", "x"], "--steps: must be a whole number"),
        (["mine", "--from", "none.png"], "none.png"),
        (["../mine", "--steps", "3"], "is not a name for a preset"),
        ([".mine", "--steps", "3"], "is not a name for a preset"),
        (["a/b", "--steps", "3"], "is not a name for a preset"),
    ],
)
def test_refused(sdcli: Any, words: list[str], message: str) -> None:
    result = sdcli("presets", "save", *words)
    assert result.code == 2
    assert message in result.err


def test_a_folder_that_cannot_be_written_is_told(sdcli: Any) -> None:
    Path("presets").write_text("")
    result = sdcli("presets", "save", "mine", "--steps", "3", "--project")
    assert result.code == 1
    assert "cannot make presets" in result.err
