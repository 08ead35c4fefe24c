"""The picture to begin from: how it is read, and how it comes to its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.images.resize import resized
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.request.pictures import open_init, sized


def request(path: Path | str, **changes: Any) -> GenerationRequest:
    return GenerationRequest(prompt="a fox", seed=1, init_img=str(path), **changes)


@pytest.mark.parametrize(
    ("size", "asked", "wanted"),
    [
        ((100, 70), {}, (96, 64)),
        ((30, 900), {}, (64, 896)),
        ((200, 100), {"width": 128}, (128, 64)),
        ((100, 200), {"width": 128}, (128, 256)),
        ((100, 200), {"height": 128}, (64, 128)),
        ((100, 200), {"width": 256, "height": 64}, (256, 64)),
    ],
)
def test_it_has_its_own_size_unless_another_is_asked_for(
    tmp_path: Path, size: tuple[int, int], asked: dict[str, int], wanted: tuple[int, int]
) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    found = sized(request(tmp_path / "a.png", **asked))
    assert (found.width, found.height) == wanted
    assert open_init(found).size == wanted


def stripes(width: int, height: int) -> Image.Image:
    """Red, green and blue bands from left to right and from top to bottom."""
    levels = np.zeros((height, width, 3), np.uint8)
    for place in range(3):
        levels[:, place * width // 3 : (place + 1) * width // 3, place] = 200
        levels[place * height // 3 : (place + 1) * height // 3, :, place] += 50
    return Image.fromarray(levels)


def test_cropping_shows_the_middle_undistorted() -> None:
    found = np.asarray(resized(stripes(300, 90), (90, 90), "crop"), int)
    assert abs(found[45, 45] - (0, 250, 0)).max() < 8
    assert abs(found[45, 2] - (200, 50, 0)).max() > 60  # the left band is cut off
    tall = np.asarray(resized(stripes(90, 300), (90, 90), "crop"), int)
    assert abs(tall[45, 45] - (0, 250, 0)).max() < 8


@pytest.mark.parametrize("size", [(300, 90), (90, 300)])
def test_filling_shows_all_of_it_and_stretches_its_edges(size: tuple[int, int]) -> None:
    found = np.asarray(resized(stripes(*size), (120, 120), "fill"), int)
    assert found.shape == (120, 120, 3)
    assert found.min(axis=(0, 1)).max() < 60
    band, edge = (found[5], found[40]) if size[0] > size[1] else (found[:, 5], found[:, 40])
    assert abs(band - edge).max() < 30
    assert abs(found[60, 60] - (0, 250, 0)).max() < 8


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 128), (0, 0, 64, 32))
    image.save(tmp_path / "a.png")
    found = np.asarray(open_init(request(tmp_path / "a.png")), int)
    assert tuple(found[50, 5]) == (255, 255, 255)
    assert abs(found[5, 5] - (127, 127, 255)).max() <= 1
    palette = Image.new("P", (64, 64))
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.save(tmp_path / "p.png", transparency=0)
    assert tuple(np.asarray(open_init(request(tmp_path / "p.png")))[0, 0]) == (255, 255, 255)


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter
    stripes(96, 64).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert open_init(request(tmp_path / "a.jpg")).size == (64, 96)


def test_sixteen_bits_are_brought_down_to_eight(tmp_path: Path) -> None:
    levels = np.full((64, 64), 128 * 256, np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert tuple(np.asarray(open_init(request(tmp_path / "a.png")))[3, 3]) == (128, 128, 128)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("https://example.org/a.png", "does not download pictures"),
        ("missing.png", "cannot read"),
        ("text.png", "not a readable PNG, JPEG, WebP or GIF"),
    ],
)
def test_what_is_no_picture_is_told(sdcli: Any, path: str, message: str) -> None:
    Path("text.png").write_text("hello")
    result = sdcli("gen", "a fox", "-i", path)
    assert (result.code, result.lines) == (2, [])
    assert message in result.err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strength": 0.5}, "no picture to start from"),
        ({"strength": 0.0}, "no picture to start from"),
        ({"resize_mode": "crop"}, "no picture to start from"),
        ({"init_img": "a.png", "invert": True, "sampler": "DDIM", "strength": 0.5}, "own noise"),
        ({"init_img": "a.png", "sampler": "diffusers:ddim"}, "cannot start from a picture"),
        ({"init_img": "a.png", "sigmas": "9,3,1", "strength": 0.5}, "already set where"),
        ({"init_img": "a.png", "full_steps": True, "strength": 0}, "no steps to make"),
    ],
)
def test_what_does_not_go_together_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GenerationRequest(**({"prompt": "a fox", "seed": 1} | values))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"strength": 0.0},
        {"strength": 0.4, "full_steps": True, "resize_mode": "fill"},
        {"noise_multiplier": 0.9, "extra_noise": 0.05, "sampler": "DDIM"},
        {"sigmas": "3,1,0.2"},
    ],
    ids=str,
)
def test_the_text_tells_of_it(values: dict[str, Any]) -> None:
    made = request("my pictures/a.png", **values)
    values_again, rest = to_values(read_text(write_text(made)))
    again = GenerationRequest(**values_again)
    assert again.tail(_table()) == made.tail(_table())
    assert again.model_dump(exclude={"strength"}) == made.model_dump(exclude={"strength"})
    assert not rest


def test_a_strength_without_a_picture_is_told_and_stops_nothing() -> None:
    """A1111 names no picture; and one of its hires fix has a strength as well."""
    text = "a fox\nSteps: 20, Sampler: Euler, Seed: 1, Denoising strength: 0.7, Version: v1.10.1"
    values, rest = to_values(read_text(text))
    assert rest == {"Denoising strength": "0.7"}
    assert GenerationRequest(**values).strength is None


def test_gen_takes_it(sdcli: Any, engine: FakeEngine) -> None:
    stripes(130, 70).save("a.png")
    assert sdcli("gen", "a fox", "-i", "a.png", "--strength", "0.4", "-o", "b.png").code == 0
    [made] = engine.made
    assert (made.width, made.height, made.strength) == (128, 64, 0.4)
    assert "Denoising strength: 0.4" in sdcli("info", "b.png").out


def _table() -> Any:
    from sdcli.sampling.noise_tables import scaled_linear

    return scaled_linear()
