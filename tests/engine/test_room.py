"""How many pictures fit into memory at once."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from sdcli import Engine, GenerationRequest
from sdcli.engine import room as module
from sdcli.engine.room import free, room

MIB = 2**20


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
unet = Engine.load("builtin", device="cpu")._components.unet
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
    unet = builtin._components.unet
    assert room(unet, torch.device("cpu"), height=size, width=size, rows=2) <= pictures
