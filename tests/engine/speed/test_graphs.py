"""Recorded calls: whatever is put in place of what was recorded is heeded, and what changed too.

The recorder is a stand-in that works again what it was given to record; a card's own is tested
where there is one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from quick import slow
from recorder import Recorder
from repository import SEPIA

from sdcli.engine import Engine
from sdcli.engine.speed.graphs import Graphs
from sdcli.errors import UsageError
from sdcli.request import GenerationRequest


def request(**asked: object) -> GenerationRequest:
    values = {"prompt": "a red circle", "seed": 1, "steps": 4, "sampler": "Euler", "cfg_scale": 5.0}
    return GenerationRequest.model_validate(values | {"width": 64, "height": 64} | asked)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def recorded(builtin: Engine, recorder: Recorder) -> Engine:
    """The shipped model, its calls recorded."""
    graphs = Graphs(builtin._components.backbone, recorder)
    components = replace(builtin._components, graphs=graphs)
    return Engine(builtin.model, builtin.placement, components)


def test_every_picture_is_the_one_without(
    builtin: Engine, recorded: Engine, recorder: Recorder
) -> None:
    asks: list[dict[str, Any]] = [
        {},
        {"prompt": "a blue star", "negative_prompt": "red"},
        {"seed": 2, "sampler": "Heun"},
        {"prompt": "a [red|blue] star"},
    ]
    for asked in asks:
        ours = recorded.generate(request(**asked)).image
        assert ours == builtin.generate(request(**asked)).image, asked
    assert recorder.recordings == 1
    assert recorder.replays == 4 + 4 + 7 + 4


@pytest.mark.slow
def test_each_shape_has_its_own(builtin: Engine, recorded: Engine, recorder: Recorder) -> None:
    for asked in ({}, {"cfg_scale": 1.0}, {"width": 96, "height": 64}, {"ngms": 100.0}, {}):
        ours = recorded.generate(request(**asked)).image
        assert ours == builtin.generate(request(**asked)).image, asked
    assert recorder.recordings == 3  # --ngms asks as with and as without guidance


@pytest.mark.parametrize(
    "asked",
    [slow({"prompt": f"a red circle <lora:{SEPIA}:1>"}, id="LoRA"), {"tiling": True}],
    ids=str,
)
def test_what_changes_the_network_is_recorded_anew(
    builtin: Engine, recorded: Engine, recorder: Recorder, asked: dict[str, Any]
) -> None:
    for each in ({}, asked, {}, {}):
        ours = recorded.generate(request(**each)).image
        assert ours == builtin.generate(request(**each)).image
    assert recorder.recordings >= 3


@pytest.mark.parametrize(
    "asked", [{"pag_scale": 3.0}, {"deep_cache": 2}, {"token_merging_ratio": 0.5}], ids=str
)
def test_what_changes_between_calls_is_not_recorded(
    builtin: Engine, recorded: Engine, recorder: Recorder, asked: dict[str, Any]
) -> None:
    said: list[str] = []
    run = recorded.start([request(**asked)], say=said.append)
    for _ in run:
        pass
    assert run.pictures()[0].image == builtin.generate(request(**asked)).image
    assert recorder.recordings == 0
    assert said == [
        "running without CUDA graphs: PAG, token merging and DeepCache change the network between "
        "calls"
    ]


def test_they_are_refused_elsewhere(tiny_folder: Path) -> None:
    with pytest.raises(UsageError, match="--cuda-graphs needs CUDA, and this runs on cpu"):
        Engine.load(str(tiny_folder), device="cpu", graphs=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_cards_own_recordings_give_the_same_pictures() -> None:
    plain, recorded = (Engine.load(device="cuda", graphs=graphs) for graphs in (False, True))
    for asked in ({}, {"prompt": "a blue star"}, {"cfg_scale": 1.0}, {"tiling": True}, {}):
        assert plain.generate(request(**asked)).image == recorded.generate(request(**asked)).image
