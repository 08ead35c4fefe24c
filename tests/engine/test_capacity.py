"""How many pictures fit into memory at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from networks import clips
from quick import slow
from repository import SEPIA

from sdcli import Engine, GenerationRequest
from sdcli.engine import capacity as module
from sdcli.engine.capacity import free, room
from sdcli.engine.device import Placement
from sdcli.engine.speed.packing import packs
from sdcli.engine.text.clip import Clip

MIB = 2**20
CPU = Placement(torch.device("cpu"), torch.float32)


def fitting(engine: Engine, **more: object) -> int:
    return engine.fits(GenerationRequest.model_validate({"prompt": "a fox", "seed": 1, **more}))


@pytest.fixture
def gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free", lambda device: 1024 * MIB)


@pytest.mark.usefixtures("gigabyte")
def test_a_picture_of_four_times_the_size_fits_a_quarter_as_often(builtin: Engine) -> None:
    small, large = (fitting(builtin, width=size, height=size) for size in (256, 512))
    assert small // large == 4
    assert fitting(builtin, width=256, height=256, cfg_scale=1) // small == 2
    assert fitting(builtin, width=256, height=256, pag_scale=3) < small


@pytest.mark.usefixtures("gigabyte")
def test_the_larger_pass_of_a_hires_fix_counts(builtin: Engine) -> None:
    size = {"width": 256, "height": 256}
    assert fitting(builtin, **size, hires_scale=2) == fitting(builtin, width=512, height=512)


def test_one_is_always_tried(builtin: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free", lambda device: 0)
    assert fitting(builtin) == 1


def test_there_is_memory() -> None:
    assert free(torch.device("cpu")) > 64 * MIB


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells a process's peak")
def test_a_call_takes_no_more_than_was_counted(
    builtin: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, size = 6, 512
    source = f"""
import re, torch
from pathlib import Path
from sdcli import Engine
unet = Engine.load("builtin", device="cpu")._components.backbone.network
most = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def call(rows, side):
    with torch.inference_mode():
        unet(torch.zeros(rows, 4, side, side), torch.tensor(5.0), torch.zeros(rows, 77, 192))
call(1, 8)
before = most()
call({2 * pictures}, {size // 8})
print(most() - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", source], check=True, capture_output=True, text=True
    ).stdout
    taken = 1024 * int(told)
    assert taken > 64 * MIB
    monkeypatch.setattr(module, "free", lambda device: int(taken / module._SHARE))
    backbone = builtin._components.backbone
    places = (size // 8) ** 2
    assert int(room(backbone, torch.device("cpu"), places=places, rows=2)) <= pictures


def packed_bytes(engine: Engine) -> int:
    """Of its text encoder."""
    [clip] = clips(engine)
    return sum(
        torch.ops.mkldnn._nbytes(each) for each in clip._model.parameters() if each.is_mkldnn
    )


@pytest.mark.skipif(not packs(CPU), reason="weights are not packed on this machine")
@pytest.mark.parametrize("tag", ["", slow(f" <lora:{SEPIA}:1>", id="LoRA")])
def test_the_text_encoder_makes_room_where_memory_is_short(
    builtin: Engine, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    """And is there again for the next prompt, LoRAs in it."""
    asks = [
        GenerationRequest(prompt=f"a red {word}{tag}", seed=1, steps=2, cfg_scale=5)
        for word in ("circle", "star", "circle")
    ]
    expected = [builtin.generate(asked).image for asked in asks]
    whole = packed_bytes(builtin)
    assert whole > MIB
    monkeypatch.setattr(module, "free", lambda device: 0)
    builtin.text_encoder.forget()
    assert [builtin.generate(asked).image for asked in asks] == expected
    assert packed_bytes(builtin) < whole / 2 or tag  # what a LoRA changed is no file's
    monkeypatch.undo()
    builtin.text_encoder.forget()
    assert builtin.generate(asks[0]).image == expected[0]
    assert packed_bytes(builtin) == whole


def test_a_card_sends_it_to_the_computers_memory_and_fetches_it(builtin: Engine) -> None:
    """Seen by a network that notes where it is sent."""

    class Noted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sent: list[str] = []
            self.table = torch.nn.Embedding(4, 4)

        def to(self, device: Any) -> Any:  # type: ignore[override]
            self.sent.append(str(device))
            return self

        def get_input_embeddings(self) -> torch.nn.Embedding:
            return self.table

        def forward(self, **_: Any) -> Any:
            raise InterruptedError

    network = Noted()
    [known] = clips(builtin)
    clip = Clip(known._tokenizer, network, device=torch.device("cuda"))
    clip.release()
    assert network.sent == ["cpu"]
    with pytest.raises((InterruptedError, AssertionError, RuntimeError)):
        clip(["a"], 1, "original")
    assert network.sent == ["cpu", "cuda"]
    offloaded = Noted()
    vars(offloaded)["_hf_hook"] = object()
    Clip(known._tokenizer, offloaded, device=torch.device("cuda")).release()
    assert offloaded.sent == []
