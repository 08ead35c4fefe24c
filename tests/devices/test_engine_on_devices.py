"""What the engine heeds of a device, and that no tensor shows: memory, threads, settings."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from devices.metal import Metal
from devices.pretended import Refused, pretended
from devices.works import request

from sdcli.cli import run
from sdcli.engine import Engine
from sdcli.engine.capacity import free, room
from sdcli.engine.device import Placement, memory_errors, prepare
from sdcli.engine.run import Run
from sdcli.engine.weights.fill import fill
from sdcli.errors import OutOfMemory
from sdcli.models import find

METAL = torch.device("mps")


@pytest.mark.parametrize(
    "text",
    [
        # aten/src/ATen/mps/MPSAllocator.mm; accelerate #4226
        "MPS backend out of memory (MPS allocated: 17.0 GB, other allocations: 1.0 GB, max "
        "allowed: 18.1 GB). Tried to allocate 1.0 GB on private pool.",
        "Invalid buffer size: 8.21 GB",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_every_devices_words_for_no_memory_are_known(text: str) -> None:
    with (
        pytest.raises(OutOfMemory, match="out of memory while sampling"),
        memory_errors("sampling"),
    ):
        raise RuntimeError(text)


def test_other_errors_are_passed_on() -> None:
    with pytest.raises(RuntimeError, match="a bug"), memory_errors("sampling"):
        raise RuntimeError("a bug")


def test_freed_memory_counts_as_free_on_metal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 1000)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 300)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 900)
    assert free(METAL) == 700


def test_no_table_of_attention_is_so_large_that_metal_aborts(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = Engine.load(str(tiny_folder), device="cpu")._components.backbone
    monkeypatch.setattr("sdcli.engine.capacity.free", lambda _: 2**60)
    count = int(room(backbone, METAL, places=64 * 64, rows=2))
    heads = backbone.network.config.attention_head_dim
    assert count * 2 * heads * (64 * 64) ** 2 * 4 <= 2**32
    assert room(backbone, torch.device("cpu"), places=64 * 64, rows=2) > count


def test_the_older_getters_of_tf32_work_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backends: Any = torch.backends
    before = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    try:
        prepare(Placement(torch.device("cuda"), torch.float16))
        assert torch.get_float32_matmul_precision() == "high"
        assert backends.cuda.matmul.allow_tf32
        assert backends.cudnn.allow_tf32
        assert getattr(backends.cuda.matmul, "fp32_precision", "tf32") == "tf32"  # since 2.9
    finally:
        backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32 = before


def test_weights_of_other_strides_are_laid_as_torch_lays_them() -> None:
    network = torch.nn.Conv2d(3, 4, 3, device="meta")
    weight = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    tensors = {"weight": weight, "bias": torch.zeros(4)}
    fill(network, lambda name: tensors.get(name), dtype=torch.float32, where="here")
    assert network.weight.is_contiguous()
    assert torch.equal(network.weight, weight)


@pytest.mark.slow
def test_metal_is_used_by_one_thread(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the command line: batches are decoded by the thread that samples."""
    threads: set[str] = set()
    pictures = Run.pictures

    def watched(self: Run) -> Any:
        threads.add(threading.current_thread().name)
        return pictures(self)

    monkeypatch.setattr(Run, "pictures", watched)
    options = ["--model", str(tiny_folder), "--size", "64x64", "--steps", "2", "--seed", "1"]
    asked = ["gen", "a", *options, "--sampler", "DPM++ SDE", "--count", "2", "--batch-size", "1"]
    with pretended(Metal()):
        assert run([*asked, "--device", "mps"]) == 0
    assert threads == {"MainThread"}
    threads.clear()
    assert run([*asked, "--device", "cpu"]) == 0
    assert "MainThread" not in threads
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_what_was_mended_is_refused_without(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The modes see what they are for: Brownian noise that a thread puts on Metal."""
    with pretended(Metal()):
        engine = Engine.of(find(str(tiny_folder)), device="mps", dtype="fp32")
        assert not engine.decodes_aside
        monkeypatch.setattr(
            "sdcli.engine.noise.brownian.BrownianNoise.drawn",
            lambda self, *way: torch.zeros(1, 4, 8, 8).to("mps"),
        )
        with pytest.raises(Refused, match="two threads"):
            engine.generate(request(sampler="DPM++ SDE"))
