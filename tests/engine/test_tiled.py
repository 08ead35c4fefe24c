"""SD upscale on a model: tiles, their seeds, and the picture that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sdcli.engine import Engine, Tiled
from sdcli.engine.vae.codec import decode, encode
from sdcli.errors import OutOfMemory, UsageError
from sdcli.images.tiles import Tiling
from sdcli.request import GenerationRequest

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def image() -> Image.Image:
    """in.png, of 72 by 64 pixels."""
    levels = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    found = Image.fromarray(levels).resize((72, 64), Image.Resampling.BICUBIC)
    found.save("in.png")
    return found


def request(**changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 7, "steps": 4, "width": 64, "height": 64, "cfg_scale": 2}
    values |= {"init_img": "in.png", "upscale": 1.5, "upscaler": "Nearest", "tile_overlap": 16}
    return GenerationRequest(**(values | {"strength": 0.5} | changes))


def made(engine: Engine, wanted: GenerationRequest, at_once: int = 1) -> np.ndarray:
    run = engine.start([wanted], tiles_at_once=at_once)
    assert isinstance(run, Tiled)
    assert [step.done for step in run][-1:] in ([1.0], [])
    return np.asarray(run.pictures()[0].image, int)


def test_without_strength_each_tile_goes_through_the_vae(tiny: Engine, image: Image.Image) -> None:
    vae, space = tiny._components.networks["vae"], tiny.model.latents
    tiling = Tiling((108, 96), (64, 64), 16)
    large = image.resize((108, 96), Image.Resampling.NEAREST)
    latents = [encode(vae, tile, space=space, device=CPU) for tile in tiling.cut(large)]
    expected = tiling.joined(decode(vae, torch.cat(latents), space=space, say=print))
    found = made(tiny, request(strength=0))
    assert found.shape == (96, 108, 3)
    assert np.array_equal(found, np.asarray(expected, int))


def test_each_tile_is_a_picture_of_its_own_seed(tiny: Engine, image: Image.Image) -> None:
    tiling = Tiling((108, 96), (64, 64), 16)
    tiles = []
    for k, tile in enumerate(tiling.cut(image.resize((108, 96), Image.Resampling.NEAREST))):
        tile.save("tile.png")
        alone = {"upscale": None, "upscaler": "Lanczos", "tile_overlap": 64}
        tiles.append(tiny.generate(request(init_img="tile.png", seed=7 + k, **alone)).image)
    found = made(tiny, request())
    assert np.abs(found - np.asarray(tiling.joined(tiles), int)).max() <= 1


def test_tiles_at_once_change_nothing(tiny: Engine) -> None:
    assert np.abs(made(tiny, request()) - made(tiny, request(), at_once=4)).max() <= 1


def test_steps_are_counted_over_all_tiles(tiny: Engine) -> None:
    run = tiny.start([request(sampler="Euler", scheduler="Uniform")], tiles_at_once=3)
    steps = list(run)
    assert {step.steps for step in steps} == {4 * 3}  # tiles × (strength 0.5 of 4 steps, plus one)
    assert [step.index for step in steps] == [3, 6, 9, 10, 11, 12]
    assert run.evaluations == steps[-1].evaluations == 6


def test_too_many_tiles_at_once_become_fewer(tiny: Engine, monkeypatch: Any) -> None:
    whole = made(tiny, request())
    run = tiny._run

    def cramped(requests: Any, *rest: Any, **latents: Any) -> Any:
        if len(requests) > 2:
            raise OutOfMemory("out of memory while sampling")
        return run(requests, *rest, **latents)

    monkeypatch.setattr(tiny, "_run", cramped)
    said: list[str] = []
    tiled = tiny.start([request()], tiles_at_once=4, say=said.append)
    list(tiled)
    assert said == ["out of memory while sampling: continuing with 2 tiles at a time"]
    assert np.abs(whole - np.asarray(tiled.pictures()[0].image, int)).max() <= 1


def test_the_models_size_is_that_of_tiles(tiny: Engine) -> None:
    whole = tiny.complete(request(width=None, height=None))
    assert (whole.width, whole.height) == (64, 64)
    assert tiny.model.native_size == 64


def test_a_tile_is_no_larger_than_the_picture(tiny: Engine) -> None:
    whole = tiny.complete(request(width=512, height=512))
    assert (whole.width, whole.height) == (104, 96)
    with pytest.raises(UsageError, match="half of a tile"):
        tiny.complete(request(width=None, height=None, tile_overlap=40))


def test_pictures_are_made_one_at_a_time(tiny: Engine) -> None:
    with pytest.raises(UsageError, match="one at a time"):
        tiny.start([request(), request(seed=8)])


def test_the_file_is_upright_and_in_colour(tiny: Engine) -> None:
    Image.new("LA", (64, 64), (90, 0)).save("in.png")  # grey, and nothing of it is seen
    white = made(tiny, request(strength=0))
    Image.new("RGB", (64, 64), "white").save("in.png")
    assert np.array_equal(white, made(tiny, request(strength=0)))
    assert Path("in.png").exists()
