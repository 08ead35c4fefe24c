"""`sdcli upscale`: sizes, names, texts, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.images.formats import encode, read_file

TEXT = "a fox\nSteps: 20, Sampler: Euler, Seed: 3, Size: 64x48, Version: v1.10.1"


@pytest.fixture
def picture() -> Image.Image:
    """a.png, 64 by 48 pixels of noise, with a text."""
    levels = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    image = Image.fromarray(levels)
    Path("a.png").write_bytes(encode(image, TEXT, "png", quality=1))
    return image


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ([], (128, 96)),
        (["--scale", "1.5"], (96, 72)),
        (["--scale", "0.5"], (32, 24)),
        (["--size", "200x100"], (200, 100)),
        (["--size", "320x0"], (320, 240)),
        (["--size", "0x480"], (640, 480)),
    ],
)
def test_sizes(
    sdcli: Any, picture: Image.Image, arguments: list[str], size: tuple[int, int]
) -> None:
    result = sdcli("upscale", "a.png", *arguments, "-o", "b.png")
    assert (result.code, result.lines) == (0, ["b.png"])
    with Image.open("b.png") as found:
        assert found.size == size


@pytest.mark.parametrize(("name", "how"), [("lanczos", 1), ("Nearest", 0)])
def test_pixels_are_pillows(sdcli: Any, picture: Image.Image, name: str, how: int) -> None:
    assert sdcli("upscale", "a.png", "--upscaler", name, "-o", "b.png").code == 0
    expected = picture.resize((128, 96), Image.Resampling(how))
    assert np.array_equal(np.asarray(Image.open("b.png")), np.asarray(expected))


def test_what_made_the_picture_stays_in_its_text(sdcli: Any, picture: Image.Image) -> None:
    sdcli("upscale", "a.png", "-o", "b.png")
    assert read_file(Path("b.png")) == (
        f"{TEXT}, Postprocess upscale to: 128x96, Postprocess upscaler: Lanczos"
    )
    sdcli("upscale", "a.png", "-o", "c.png", "--no-metadata")
    assert read_file(Path("c.png")) is None
    picture.save("plain.png")
    sdcli("upscale", "plain.png", "-o", "d.png")
    assert read_file(Path("d.png")) == (
        "Postprocess upscale to: 128x96, Postprocess upscaler: Lanczos"
    )


def test_a_folder_into_another(sdcli: Any, picture: Image.Image) -> None:
    Path("in").mkdir()
    for name in ("one", "two"):
        picture.save(f"in/{name}.png")
    result = sdcli("upscale", "in", "-o", "out/", "--format", "webp")
    assert result.lines == ["out/one.webp", "out/two.webp"]
    assert sdcli("upscale", "in", "a.png").lines[-1].endswith("00003-a.png")


def test_it_needs_no_engine(sdcli: Any, engine: FakeEngine, picture: Image.Image) -> None:
    assert sdcli("upscale", "a.png", "-o", "b.png").code == 0
    assert engine.batches == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--scale", "x"], "--scale: must be a number"),
        (["a.png", "--scale", "0"], "--scale: must be from 0.01 to 64"),
        (["a.png", "--scale", "nan"], "--scale: must be from 0.01 to 64"),
        (["a.png", "--scale", "2", "--size", "8x8"], "contradict"),
        (["a.png", "--size", "0x0"], "must be above 0"),
        (["a.png", "--size", "8"], "is not a size"),
        (["a.png", "--size", "20000x10"], "at most 16384 a side"),
        (["a.png", "--upscaler", "Lancos"], "unknown upscaler 'Lancos'"),
        (["a.png", "--upscaler", "Latent"], "unknown upscaler 'Latent'"),
        (["a.png", "--upscaler", "4x.pth"], "there is no file 4x.pth"),
        (["a.png", "-o", "{seed}.png"], "unknown field {seed}"),
        (["a.png", "--device", "cpu"], "--device: Lanczos does not use one"),
        (["a.png", "-o", "-"], "name a file or a folder"),
        (["a.png", "text.png"], "text.png is not a readable PNG"),
        (["missing.png"], "cannot read missing.png"),
        (["empty"], "IMAGE: there are no pictures in empty"),
        (["https://example.org/a.png"], "does not download pictures"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    sdcli: Any, picture: Image.Image, arguments: list[str], message: str
) -> None:
    Path("text.png").write_text("hello")
    Path("empty").mkdir()
    before = sorted(map(str, Path().rglob("*")))
    result = sdcli("upscale", *arguments)
    assert (result.code, result.lines) == (2, [])
    assert message in result.err
    assert sorted(map(str, Path().rglob("*"))) == before
