"""Offloaded weights make the same picture; accelerate's hooks run on the CPU as on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from safetensors.torch import save_file

from sdcli.engine import Engine
from sdcli.engine.device import Placement
from sdcli.engine.weights import offload
from sdcli.engine.weights.components import load
from sdcli.errors import UsageError
from sdcli.models import find
from sdcli.request import GenerationRequest

CPU = Placement(torch.device("cpu"), torch.float32)


def engine(folder: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """As on a GPU, whose place the CPU takes."""

    def place(networks: list[torch.nn.Module], device: torch.device, *, offload: str) -> None:
        unchecked = torch.device("meta")  # any that is not the CPU
        assert offload == how
        real_place(networks, unchecked, offload=offload)

    real_place = offload.place
    model = find(str(folder))
    with monkeypatch.context() as patch:
        patch.setattr("sdcli.engine.speed.packing.packs", lambda _: False)  # as on a GPU
        patch.setattr("sdcli.engine.weights.components.place", place)
        patch.setattr(offload, "cpu_offload", lambda n, _, **k: cpu_offload(n, CPU.device, **k))
        patch.setattr(
            offload,
            "cpu_offload_with_hook",
            lambda n, _, **k: cpu_offload_with_hook(n, CPU.device, **k),
        )
        return Engine(model, CPU, load(model, CPU, offload=how))


def picture(engine: Engine, prompt: str = "a fox", **more: Any) -> np.ndarray:
    request = GenerationRequest(prompt=prompt, seed=1, steps=3, **more)
    return np.asarray(engine.generate(request).image)


@pytest.mark.parametrize("how", ["model", "sequential"])
def test_it_changes_no_picture(
    tiny_folder: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offloaded = engine(tiny_folder, how, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("sdcli.engine.speed.packing.packs", lambda _: False)
        whole = Engine.load(str(tiny_folder), device="cpu")
    several: list[dict[str, Any]] = [{}, {"deep_cache": 2}]
    for more in several:
        assert np.array_equal(picture(offloaded, **more), picture(whole, **more))
    weight = offloaded._components.backbone.network.conv_in.weight
    assert weight.is_meta is (how == "sequential")


def test_layer_by_layer_no_lora_can_be_merged(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    stem = "lora_unet_mid_block_resnets_0_conv1"
    save_file(
        {
            f"{stem}.lora_down.weight": torch.ones(1, 32, 3, 3),
            f"{stem}.lora_up.weight": torch.ones(32, 1, 1, 1),
        },
        path,
    )
    offloaded = engine(tiny_folder, "sequential", monkeypatch)
    with pytest.raises(UsageError, match="LoRAs cannot be merged"):
        picture(offloaded, f"a fox<lora:{path}>")
    picture(engine(tiny_folder, "model", monkeypatch), f"a fox<lora:{path}>")


def test_on_a_cpu_there_is_nothing_to_spare(tiny_folder: Path) -> None:
    with pytest.raises(UsageError, match="this runs on the CPU"):
        Engine.of(find(str(tiny_folder)), device="cpu", offload="model")
