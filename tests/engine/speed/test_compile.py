"""Compiled blocks: the same pictures, no graph broken, and refused or told where it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from repository import SEPIA

from sdcli.engine import Engine
from sdcli.engine.backbones.unet import UNet
from sdcli.engine.device import Placement
from sdcli.engine.speed import compile as compiling
from sdcli.engine.speed import packing
from sdcli.errors import UsageError
from sdcli.images.compare import likeness
from sdcli.request import GenerationRequest

CPU = Placement(torch.device("cpu"), torch.float32)


def request(**asked: object) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 1, "steps": 4, "sampler": "Euler", "cfg_scale": 5.0}
    return GenerationRequest.model_validate(values | {"width": 64, "height": 64} | asked)


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, or a CPU of another kind."""
    for module in ("packing", "compile"):
        monkeypatch.setattr(f"sdcli.engine.speed.{module}.packs", lambda _: False)


@pytest.fixture
def traced(
    unpacked: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Mapping[str, Mapping[str, int]]]:
    """Blocks are traced as for the compiler, and run as they were traced; what it counts."""
    from torch._dynamo.utils import counters  # seconds, which every other run of tests can save

    trace = partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", trace)
    monkeypatch.setenv(compiling._CACHE, str(tmp_path))
    torch._dynamo.reset()
    counters.clear()
    yield counters
    torch._dynamo.reset()


@pytest.mark.slow
def test_pictures_stay_and_no_block_is_traced_twice(
    traced: Mapping[str, Mapping[str, int]], tiny: Engine, tiny_folder: Path
) -> None:
    said: list[str] = []
    engine = Engine.load(str(tiny_folder), device="cpu", compile=True, say=said.append)
    assert engine.compiled
    assert "compiling takes a minute or two at the first step of each new picture size" in said[0]
    traces = []
    for asked in ({}, {"prompt": "[a|b] fox"}, {"pag_scale": 3.0}, {"deep_cache": 2}, {}):
        ours, theirs = (each.generate(request(**asked)).image for each in (engine, tiny))
        assert likeness(ours, theirs).greatest <= 1, asked
        traces.append(traced["stats"]["unique_graphs"])
    assert not traced["graph_break"]
    first, prompts, pag, cache, again = traces
    assert first == prompts > 0  # what is asked changes nothing
    assert pag > prompts  # which attends in another way
    assert pag == cache == again


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_what_changes_the_network_is_heeded(builtin: Engine) -> None:
    engine = Engine.load(device="cpu", compile=True)
    small = {"width": 64, "height": 64, "steps": 2}
    pictures = []
    for asked in ({}, {"prompt": f"a fox <lora:{SEPIA}:1>"}, {"tiling": True}, {}):
        ours, theirs = (
            each.generate(request(**small, **asked)).image for each in (engine, builtin)
        )
        assert likeness(ours, theirs).greatest <= 1, asked
        pictures.append(ours)
    plain, lora, tiled, again = pictures
    assert plain == again
    assert lora != plain != tiled


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_tokens_cannot_be_merged_in_compiled_blocks(tiny_folder: Path) -> None:
    engine = Engine.load(str(tiny_folder), device="cpu", compile=True)
    with pytest.raises(UsageError, match="does not work with --compile"):
        engine.generate(request(token_merging_ratio=0.5))


@pytest.mark.slow
def test_compiled_code_is_kept_for_the_next_process(
    tiny: Engine, tiny_folder: Path, tmp_path: Path
) -> None:
    """By the compiler itself, where the machine has one."""
    program = """
import json, sys
from sdcli.engine.speed import compile as compiling, packing
compiling.packs = packing.packs = lambda _: False
from sdcli.engine import Engine
from sdcli.request import GenerationRequest
from torch._dynamo.utils import counters
engine = Engine.load(sys.argv[1], device="cpu", compile=True)
picture = engine.generate(GenerationRequest.model_validate_json(sys.argv[2])).image
picture.save(sys.argv[3])
found = counters["inductor"]
print(json.dumps([found["fxgraph_cache_miss"], found["fxgraph_cache_hit"]]))
"""
    asked = request(steps=1)
    caches = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {k: v for k, v in os.environ.items() if k != compiling._CACHE} | caches
    told = []
    for run in ("first", "second"):
        words = [str(tiny_folder), asked.model_dump_json(), str(tmp_path / f"{run}.png")]
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            capture_output=True,
            text=True,
            env=environment,
        )
        if "torch needs a C++ compiler" in done.stderr:
            pytest.skip("no C++ compiler")
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    (misses, _), (none, hits) = told
    assert misses > 0
    assert (none, hits) == (0, misses)
    assert (tmp_path / "cache" / "sdcli" / "code").is_dir()
    ours, again = (Image.open(tmp_path / f"{run}.png") for run in ("first", "second"))
    assert likeness(ours, again).greatest == 0
    assert likeness(ours, tiny.generate(asked).image).greatest <= 1


def test_packed_weights_leave_nothing_to_compile(tiny_folder: Path) -> None:
    if not packing.packs(CPU):
        pytest.skip("weights are not packed on this machine")
    said: list[str] = []
    engine = Engine.load(str(tiny_folder), device="cpu", compile=True, say=said.append)
    assert not engine.compiled
    assert said == [
        "--compile gains nothing on this CPU, where weights are packed already: not compiling"
    ]


@pytest.mark.usefixtures("unpacked")
@pytest.mark.parametrize(
    ("device", "missing"),
    [("mps", "torch compiles for CUDA and for CPUs"), ("cuda", "Triton"), ("cpu", "C\\+\\+")],
)
def test_where_torch_cannot_it_is_refused(
    device: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise RuntimeError("no compiler")

    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: False)
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", none)
    placement = Placement(torch.device(device), torch.float16)
    with pytest.raises(UsageError, match=missing) as caught:
        compiling.compile_blocks(UNet(torch.nn.Identity()), placement, print)
    assert caught.value.hint == "leave --compile out"
