"""Runs of one engine that are open at once: each gives the picture that it gives alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from quick import slow
from recorder import Recorder
from repository import SEPIA
from safetensors.torch import save_file

from sdcli.engine import Engine
from sdcli.engine.speed.graphs import Graphs
from sdcli.models import find
from sdcli.request import GenerationRequest

# What changes the networks that all runs share, or keeps something between their calls.
CHANGES: dict[str, dict[str, Any]] = {
    "a LoRA": {"prompt": f"a red circle <lora:{SEPIA}:1>"},
    "an embedding": {"prompt": "a film circle"},
    "tiling": {"tiling": True},
    "DeepCache": {"deep_cache": 2},
    "token merging": {"token_merging_ratio": 0.5},
    "PAG": {"pag_scale": 3.0},
    "a hires fix": {"hires_scale": 1.5, "hires_upscaler": "Lanczos", "tiling": True},
    "edited prompts": {"prompt": "a [red|blue] circle", "negative_prompt": "a [star|ring]"},
}

QUICK = ("a LoRA", "tiling")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, builtin: Engine) -> Path:
    """A models folder with an embedding for the shipped model."""
    root: Path = tmp_path_factory.mktemp("models")
    (root / "embeddings").mkdir()
    width = builtin.text_encoder.widths[0]
    vectors = torch.randn(2, width, generator=torch.Generator().manual_seed(0))
    save_file({"emb_params": vectors}, root / "embeddings" / "film.safetensors")
    return root


def engine(folder: Path) -> Engine:
    return Engine.of(find("builtin"), device="cpu", folders=[folder])


@pytest.fixture(scope="module")
def shared(folder: Path) -> Engine:
    """An engine for all of these tests: what one run leaves behind, another would show."""
    return engine(folder)


def request(**asked: Any) -> GenerationRequest:
    usual = {"prompt": "a red circle", "seed": 1, "steps": 3, "sampler": "Euler", "cfg_scale": 5.0}
    return GenerationRequest.model_validate({"width": 64, "height": 64, **usual, **asked})


_ALONE: dict[str, Image.Image] = {}


def alone(folder: Path, asked: dict[str, Any]) -> Image.Image:
    """The picture of an engine that has made no other."""
    key = repr(asked)
    if key not in _ALONE:
        _ALONE[key] = engine(folder).generate(request(**asked)).image
    return _ALONE[key]


def together(shared: Engine, *several: dict[str, Any]) -> list[Image.Image]:
    """The pictures of runs that are all begun before any is iterated, and then take turns."""
    runs = [shared.start([request(**asked)]) for asked in several]
    for _ in zip_longest(*runs):
        pass
    return [run.pictures()[0].image for run in runs]


@pytest.mark.parametrize(
    "change",
    [
        (pytest.param if name in QUICK else slow)(change, id=name)
        for name, change in CHANGES.items()
    ],
)
def test_interleaved_runs_are_equal_to_runs_alone(
    folder: Path, shared: Engine, change: dict[str, Any]
) -> None:
    wanted = [alone(folder, asked) for asked in ({}, change)]
    assert wanted[0] != wanted[1]
    assert together(shared, {}, change) == wanted
    assert together(shared, change, {}) == wanted[::-1]


@pytest.mark.slow
def test_all_of_them_at_once(folder: Path, shared: Engine) -> None:
    wanted = [alone(folder, change) for change in CHANGES.values()]
    assert together(shared, *CHANGES.values()) == wanted


def test_a_run_that_is_begun_and_left_spoils_none(folder: Path, shared: Engine) -> None:
    left = shared.start([request(**CHANGES["a LoRA"], tiling=True)])
    next(iter(left))
    assert shared.generate(request()).image == alone(folder, {})


@pytest.mark.parametrize("change", [slow("a LoRA"), "tiling", slow("PAG")])
def test_recorded_calls_are_those_of_the_run(folder: Path, shared: Engine, change: str) -> None:
    """CUDA graphs, by a stand-in that works again what it recorded."""
    graphs = Graphs(shared._components.backbone, Recorder())
    recorded = Engine(
        shared.model, shared.placement, replace(shared._components, graphs=graphs), [folder]
    )
    wanted = [alone(folder, asked) for asked in ({}, CHANGES[change])]
    assert together(recorded, {}, CHANGES[change]) == wanted


@pytest.mark.slow
def test_threads_take_turns(folder: Path, shared: Engine) -> None:
    asks: Sequence[dict[str, Any]] = [{}, CHANGES["a LoRA"], CHANGES["tiling"], {"seed": 2}]
    with ThreadPoolExecutor(len(asks)) as threads:
        made = list(threads.map(lambda asked: shared.generate(request(**asked)).image, asks))
    assert made == [alone(folder, asked) for asked in asks]
