"""`sdcli again`: what a picture's text says is made, nothing else is, and it is compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine, paint
from PIL import Image

from sdcli.images.compare import likeness
from sdcli.images.formats import encode
from sdcli.request import GenerationRequest
from sdcli.request.infotext import write_text


def saved(name: str, *, change: int = 0, **values: Any) -> GenerationRequest:
    """A picture as the fake engine makes it, some levels off, with its text."""
    request = GenerationRequest(prompt="a fox", width=64, height=64, **({"seed": 3} | values))
    levels = np.asarray(paint(request), int)
    image = Image.fromarray(np.where(levels < 128, levels + change, levels - change).astype("u1"))
    Path(name).write_bytes(encode(image, write_text(request), "png", quality=1))
    return request


def test_the_same_request_is_made(sdcli: Any, engine: FakeEngine) -> None:
    wanted = saved("old.png", sampler="Euler a", steps=7, cfg_scale=4.5, clip_skip=2)
    result = sdcli("again", "old.png", "-o", "new.png")
    assert (result.code, result.lines) == (0, ["new.png"])
    assert engine.made == [wanted]


def test_a_persons_own_defaults_are_not_mixed_in(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = saved("old.png")
    sdcli("config", "set", "steps", "50")
    sdcli("config", "set", "clip_skip", "2")
    monkeypatch.setenv("SDCLI_MODEL", "other")
    monkeypatch.setenv("SDCLI_OUTPUT", "here/")
    result = sdcli("again", "old.png")
    assert engine.made == [wanted]
    assert result.lines == ["here/00001-3.png"]


def test_options_change_them(sdcli: Any, engine: FakeEngine) -> None:
    saved("old.png", sampler="Euler a", steps=7)
    assert sdcli("again", "old.png", "--steps", "9", "-s", "4", "--size", "128x64").code == 0
    [made] = engine.made
    assert (made.sampler, made.steps, made.seed, made.width) == ("Euler a", 9, 4, 128)


def test_several_pictures_keep_their_order(sdcli: Any, engine: FakeEngine) -> None:
    for seed, steps in ((1, 5), (2, 6), (3, 5)):
        saved(f"{seed}.png", seed=seed, steps=steps)
    result = sdcli("again", "1.png", "2.png", "3.png", "-o", "new/")
    assert result.lines == [f"new/0000{seed}-{seed}.png" for seed in (1, 2, 3)]
    assert engine.batches == [[1, 3], [2]]


def test_one_file_does_not_hold_two_pictures(sdcli: Any, engine: FakeEngine) -> None:
    saved("1.png")
    saved("2.png", seed=2)
    result = sdcli("again", "1.png", "2.png", "-o", "new.png")
    assert result.code == 2
    assert "2 pictures do not fit into one file" in result.err
    assert not engine.made


@pytest.mark.parametrize(
    ("change", "options", "code"),
    [
        (0, [], 0),
        (1, [], 0),
        (2, [], 1),
        (2, ["--tolerance", "2"], 0),
        (1, ["--tolerance", "0"], 1),
    ],
)
def test_a_check_is_the_exit_code(
    sdcli: Any, engine: FakeEngine, change: int, options: list[str], code: int
) -> None:
    saved("old.png", change=change)
    result = sdcli("again", "old.png", "--check", *options, "-o", "new.png")
    assert (result.code, result.lines) == (code, ["new.png"])
    said = f"different by at most {change} of 255" if change else "the same in every pixel"
    assert f"picture 1, compared with old.png: {said}" in result.err


def test_a_check_as_an_event(sdcli: Any, engine: FakeEngine) -> None:
    saved("1.png", change=2)
    saved("2.png", seed=2)
    result = sdcli("again", "1.png", "2.png", "--check", "--json")
    assert result.code == 1
    events = [json.loads(line) for line in result.lines]
    first, second = (event for event in events if event["event"] == "check")
    assert first["old"] == "1.png"
    assert (first["same"], first["greatest"], first["mean"]) == (False, 2, 2)
    assert first["psnr"] == pytest.approx(42.11, abs=0.01)
    assert (second["job"], second["same"], second["psnr"]) == (2, True, None)


def test_another_size_is_another_picture(sdcli: Any, engine: FakeEngine) -> None:
    saved("old.png")
    result = sdcli("again", "old.png", "--check", "--size", "128x128", "--tolerance", "255")
    assert result.code == 1
    assert "of another size" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plain.png"], "plain.png has no settings in it"),
        (["missing.png"], "missing.png"),
        (["old.png", "plain.png"], "plain.png has no settings in it"),
        (["old.png", "--tolerance", "3"], "works only with --check"),
        (["old.png", "--check", "--tolerance", "x"], "must be a number"),
        (["old.png", "--check", "--tolerance", "-1"], "from 0 to 255"),
    ],
)
def test_refused(sdcli: Any, engine: FakeEngine, words: list[str], message: str) -> None:
    saved("old.png")
    Image.new("RGB", (64, 64)).save("plain.png")
    result = sdcli("again", *words)
    assert result.code == 2
    assert message in result.err
    assert not engine.made


def test_likeness_is_measured_over_all_channels() -> None:
    one = Image.new("RGB", (2, 1), (10, 20, 30))
    other = Image.fromarray(np.array([[[10, 20, 30], [10, 20, 36]]], np.uint8))
    found = likeness(one, other)
    assert (found.greatest, found.mean) == (6, 1)
    assert found.psnr == pytest.approx(10 * np.log10(255**2 / 6))
