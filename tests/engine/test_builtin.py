"""The shipped model through the command line: recognisable, repeatable, small."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sdcli
from sdcli.cli import run
from sdcli.engine import Engine
from sdcli.request import GenerationRequest

FOLDER = Path(sdcli.__file__).parent / "builtin"


def gen(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[np.ndarray]:
    """The pixels of the pictures that a gen command makes."""
    assert run(["gen", *arguments]) == 0
    paths = capsys.readouterr().out.split()
    return [np.asarray(Image.open(path), dtype=np.int16) for path in paths]


def test_it_is_small() -> None:
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert size <= 24 * 2**20


@pytest.mark.slow
def test_one_seed_gives_one_picture(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (
        gen(capsys, "a red circle", "--seed", "7", "--steps", "8")[0] for _ in range(2)
    )
    assert first.shape == (128, 128, 3)
    assert np.array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["DPM++ 2M Karras", "Euler a"])
def test_four_at_once_are_four_alone(capsys: pytest.CaptureFixture[str], sampler: str) -> None:
    common = ["a blue star", "-S", sampler, "--steps", "10"]
    together = gen(capsys, *common, "--seed", "7", "-c", "4", "-b", "4")
    for seed, picture in zip(range(7, 11), together, strict=True):
        [alone] = gen(capsys, *common, "--seed", str(seed))
        assert np.abs(picture - alone).max() <= 1


def test_png_text_and_pixels_make_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gen", "a green tree", "--seed", "3", "-S", "euler a", "--steps", "8"]) == 0
    path = capsys.readouterr().out.strip()
    [again] = gen(capsys, "--from", path)
    assert np.array_equal(np.asarray(Image.open(path), dtype=np.int16), again)


def middle_and_border(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The usual colour of the middle, and of the outermost pixels."""
    rim = np.concatenate([picture[:6].reshape(-1, 3), picture[-6:].reshape(-1, 3)])
    return np.median(picture[54:74, 54:74].reshape(-1, 3), axis=0), np.median(rim, axis=0)


def pictures_of(engine: Engine, prompt: str, *, count: int = 6) -> list[np.ndarray]:
    """At the guidance that the model is meant for."""
    requests = [GenerationRequest(prompt=prompt, cfg_scale=5, seed=seed) for seed in range(count)]
    made = engine.start(requests)
    for _ in made:
        pass
    return [np.asarray(picture.image, dtype=np.int16) for picture in made.pictures()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompt", "strong", "weak"),
    [
        ("a big red circle on a blue background", 0, 2),
        ("a big blue square on a red background", 2, 0),
        ("a big green circle on a pink background", 1, 0),
    ],
)
def test_colours_follow_the_prompt(builtin: Engine, prompt: str, strong: int, weak: int) -> None:
    """The object's channel leads in the middle, the background's at the border."""
    right = 0
    for picture in pictures_of(builtin, prompt):
        middle, border = middle_and_border(picture)
        right += bool(middle[strong] > middle[weak] + 40 and border[weak] > border[strong] + 40)
    assert right >= 5


@pytest.mark.slow
def test_night_is_darker_than_day(builtin: Engine) -> None:
    night = np.mean(pictures_of(builtin, "mountains at night"))
    day = np.mean(pictures_of(builtin, "mountains by day"))
    assert night < day - 25


@pytest.mark.slow
def test_guidance_pulls_towards_the_prompt(builtin: Engine) -> None:
    """Red leads by more at 5 than without guidance."""

    def redness(scale: float) -> float:
        requests = [
            GenerationRequest(prompt="a red circle on a red background", cfg_scale=scale, seed=s)
            for s in range(6)
        ]
        made = builtin.start(requests)
        for _ in made:
            pass
        pixels = np.stack([np.asarray(picture.image, np.float64) for picture in made.pictures()])
        return float((pixels[..., 0] - pixels[..., 1:].mean(axis=-1)).mean())

    assert redness(5) > redness(0) + 20


def test_bytes_on_stdout_are_the_picture(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["gen", "a red circle", "--seed", "7", "--steps", "4", "-o", "-"]) == 0
    with Image.open(io.BytesIO(capfdbinary.readouterr().out)) as image:
        assert image.size == (128, 128)
        assert "parameters" in image.info


@pytest.mark.slow
def test_explain_draws_what_the_model_is_given(tmp_path: Path) -> None:
    """A row for each sampler, eight pictures with their steps and σ's beneath."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (300, 200), "orange").save(picture)
    drawn = str(tmp_path / "s.png")
    code = run(["explain", "euler", "diffusers:heun", "--on", str(picture), "--plot", drawn])
    assert code == 0
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (8 + 8 * 168, 8 + 2 * 212)
        clean = np.asarray(sheet.crop((1200, 60, 1320, 150)), np.float64)
    assert np.abs(clean.mean((0, 1)) - (255, 165, 0)).max() < 30
