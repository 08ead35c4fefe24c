"""`sdcli upscale --tile` and `gen --upscale`: what is carried over, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.images.formats import encode

TEXT = (
    "a {red|blue} fox\nNegative prompt: rain\nSteps: 7, Sampler: Euler, CFG scale: 4, Seed: 3,"
    " Size: 128x136, Model: ink, Denoising strength: 0.7, Clip skip: 2, Hires upscale: 2,"
    " Hires upscaler: Latent, Version: v1.10.1"
)


@pytest.fixture(autouse=True)
def _pictures() -> None:
    for name, text in (("told", TEXT), ("plain", None)):
        image = Image.new("RGB", (128, 96), "red")
        Path(f"{name}.png").write_bytes(encode(image, text, "png", quality=1))


def test_a_pictures_own_settings_are_carried_over(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("upscale", "told.png", "--tile", "-o", "large.png")
    assert (result.code, result.lines) == (0, ["large.png"])
    [made] = engine.made
    assert (made.prompt, made.negative_prompt) == ("a {red|blue} fox", "rain")
    assert (made.sampler, made.steps, made.cfg_scale, made.seed) == ("Euler", 7, 4, 3)
    assert (made.model, made.clip_skip, made.width, made.height) == ("ink", 2, 128, 136)
    assert (made.init_img, made.upscale, made.strength) == ("told.png", 2, 0.3)
    assert made.hires_scale is None


def test_flags_win_over_what_the_picture_says(sdcli: Any, engine: FakeEngine) -> None:
    words = ["--prompt", "a cat", "--seed", "8", "--strength", "0.5", "--tile-overlap", "16"]
    upscaler = ["--scale", "3", "--upscaler", "nearest"]
    assert sdcli("upscale", "told.png", "--tile", *words, *upscaler, "-o", "large.png").code == 0
    [made] = engine.made
    assert (made.prompt, made.seed, made.strength) == ("a cat", 8, 0.5)
    assert (made.upscale, made.upscaler, made.tile_overlap) == (3, "Nearest", 16)


def test_a_picture_without_a_text_needs_no_prompt(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("upscale", "plain.png", "--tile", "--seed", "1", "-o", "large.png").code == 0
    assert engine.made[0].prompt == ""


def test_pictures_keep_their_names(sdcli: Any, engine: FakeEngine) -> None:
    words = ["--prompt", "a cat", "--seed", "1", "-o", "large/"]
    result = sdcli("upscale", "told.png", "plain.png", "--tile", *words)
    assert (result.code, result.lines) == (0, ["large/told.png", "large/plain.png"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prompt", "a cat"], "--prompt: works only with tiles"),
        (["--strength", "0.3"], "--strength: works only with tiles"),
        (["--tile", "--size", "512x512"], "--size does not work with --tile"),
        (["--tile", "--scale", "99"], "--scale: must be from 1 to 16"),
        (["--tile", "--upscaler", "Lanczsos"], "Lanczos"),
        (["--tile", "--prompt", "a", "--tile-overlap", "80"], "half of a tile of 128 pixels"),
    ],
)
def test_refused(sdcli: Any, engine: FakeEngine, words: list[str], message: str) -> None:
    result = sdcli("upscale", "told.png", *words, "-o", "large.png")
    assert result.code == 2
    assert message in result.err
    assert not engine.made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--upscale", "2"], "there is no picture to enlarge"),
        (["--tile-overlap", "32"], "works only with tiles"),
        (["-i", "plain.png", "--upscaler", "Nearest"], "works only with tiles"),
        (["-i", "plain.png", "--upscale", "2", "--mask", "alpha"], "does not work with tiles"),
        (["-i", "plain.png", "--upscale", "2", "--tiling"], "does not work with tiles"),
        (["-i", "plain.png", "--upscale", "2", "--resize-mode", "crop"], "no effect on tiles"),
        (["-i", "plain.png", "--upscale", "16", "--upscaler", "x.pth"], "no file x.pth"),
    ],
)
def test_gen_refuses(sdcli: Any, engine: FakeEngine, words: list[str], message: str) -> None:
    result = sdcli("gen", "a fox", *words, "-o", "large.png")
    assert result.code == 2
    assert message in result.err
