"""What a user's strict type checker sees of sdcli. Checked as their code; never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

from PIL import Image

import sdcli
from sdcli import Engine, GenerationRequest, Picture, Preview, Step
from sdcli.engine import Run, Tiled, TwoPasses
from sdcli.errors import SdcliError, UsageError
from sdcli.runs.plan import Plan
from sdcli.sources.recipes import Recipe


def one_picture() -> Picture:
    """As the documentation begins."""
    with sdcli.load("builtin", device="cpu", dtype="fp32", offload="none") as engine:
        assert_type(engine, Engine)
        picture = engine.generate("a red circle", seed=1, steps=8, loras={"ink": 0.8})
        assert_type(picture, Picture)
        assert_type(picture.save("circle.png"), Picture)
        return picture


def its_parts(picture: Picture) -> None:
    """Every field of a picture."""
    assert_type(picture.image, Image.Image)
    assert_type(picture.request, GenerationRequest)
    assert_type(picture.seconds, float)
    assert_type(picture.evaluations, int)
    assert_type(picture.path, Path | None)
    assert_type(picture.infotext, str)


def a_request(request: GenerationRequest) -> None:
    """Fields of each kind."""
    assert_type(request.prompt, str)
    assert_type(request.sampler, str)
    assert_type(request.steps, int)
    assert_type(request.cfg_scale, float)
    assert_type(request.seed, int)
    assert_type(request.width, int | None)
    assert_type(request.eta, float | None)
    assert_type(request.tiling, bool)
    assert_type(request.init_img, str | None)


def a_loop_of_ones_own(engine: Engine, requests: list[GenerationRequest]) -> list[Picture]:
    """Steps as they come, then the pictures."""
    run = engine.start(requests)
    assert_type(run, Run | TwoPasses | Tiled)
    for step in run:
        assert_type(step, Step)
        assert_type(step.steps, int | None)
    return run.pictures()


def a_stream(engine: Engine, requests: list[GenerationRequest]) -> None:
    """Whatever happens, by its type."""
    events = engine.stream(requests, preview_every=5)
    assert_type(events, Iterator[Step | Preview | Picture])
    for event in events:
        match event:
            case Picture():
                assert_type(event, Picture)
            case Preview():
                assert_type(event.image, Image.Image)
            case Step():
                assert_type(event.done, float)


def without_an_engine(rows: list[dict[str, Any]]) -> None:
    """Recipes and plans."""
    assert_type(sdcli.read_recipe("old.png"), Recipe | None)
    assert_type(sdcli.plan(rows, steps=20), Plan)
    assert_type(sdcli.__version__, str)


def an_error(error: SdcliError) -> str:
    """What went wrong, and what mends it."""
    assert_type(error.hint, str)
    if isinstance(error, UsageError):
        assert_type(error, UsageError)
    return error.message
