"""Inversion on the shipped model: picture, noise, and the same picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdcli.cli import run
from sdcli.engine import Engine
from sdcli.request import GenerationRequest

DRAWN = "a red circle on a blue background"


def closeness(one: Image.Image, other: Image.Image) -> float:
    """PSNR in decibels."""
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    return 10 * math.log10(255**2 / np.square(difference).mean())


@pytest.fixture(scope="module")
def picture(builtin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that the model made, with guidance."""
    path = tmp_path_factory.mktemp("pictures") / "drawn.png"
    builtin.generate(GenerationRequest(prompt=DRAWN, cfg_scale=5, seed=3)).image.save(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "steps", "least"), [("DDIM", 50, 32), ("Euler", 20, 32), ("DPM++ 2M", 20, 32)]
)
def test_a_picture_comes_back(
    builtin: Engine, picture: Path, sampler: str, steps: int, least: float
) -> None:
    request = GenerationRequest(
        prompt=DRAWN,
        sampler=sampler,
        steps=steps,
        cfg_scale=1,
        seed=0,
        init_img=str(picture),
        invert=True,
    )
    assert closeness(builtin.generate(request).image, Image.open(picture)) >= least


@pytest.mark.slow
def test_another_prompt_changes_what_it_says(builtin: Engine, picture: Path) -> None:
    """The circle turns green; without the picture it would lie elsewhere."""
    request = GenerationRequest(
        prompt="a green circle on a blue background",
        sampler="DDIM",
        cfg_scale=3,
        seed=0,
        init_img=str(picture),
        invert=True,
        invert_prompt=DRAWN,
    )
    before = np.asarray(Image.open(picture), np.float64)
    after = np.asarray(builtin.generate(request).image, np.float64)
    redness = before[..., 0] - before[..., 2]
    figure = redness > redness.max() / 2
    assert after[figure].mean(0)[1] > before[figure].mean(0)[1] + 60
    assert np.abs(after - before)[~figure].mean() < 25


@pytest.mark.slow
def test_from_the_shell_and_again_from_its_text(
    capsys: pytest.CaptureFixture[str], picture: Path
) -> None:
    arguments = ["gen", DRAWN, "-i", str(picture), "--invert", "-S", "Euler", "--steps", "6"]
    assert run([*arguments, "--cfg", "1"]) == 0
    first = capsys.readouterr().out.strip()
    assert run(["gen", "--from", first]) == 0
    second = capsys.readouterr().out.strip()
    assert first != second
    assert np.array_equal(np.asarray(Image.open(first)), np.asarray(Image.open(second)))
