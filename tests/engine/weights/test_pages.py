"""Weights that are wanted soon come into memory by themselves, and no others."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdcli.engine.weights import pages as paging
from sdcli.engine.weights.fill import tensors_in

MIB = 2**20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others have no such call")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Four tensors of 1 MiB each, in this order."""
    path = tmp_path / "model.safetensors"
    save_file(
        {name: torch.full((MIB,), k, dtype=torch.uint8) for k, name in enumerate("abcd")}, path
    )
    return path


def in_memory(path: Path) -> int:
    """Bytes of the file's mapping that are in this process's page table."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    sizes = 0
    for place, line in enumerate(lines):
        if line.endswith(str(path)):
            [held] = [row for row in lines[place : place + 6] if row.startswith("Rss:")]
            sizes += int(held.split()[1]) * 1024
    return sizes


def wait() -> None:
    for thread in threading.enumerate():
        if thread.name == "bring in":
            thread.join()


def test_all_of_a_file_comes_in(weights: Path) -> None:
    tensors = tensors_in(weights, soon=lambda _: True)
    wait()
    assert in_memory(weights) >= 4 * MIB
    assert [int(tensors[name][-1]) for name in "abcd"] == [0, 1, 2, 3]


def test_none_comes_in_unless_it_is_asked_for(weights: Path) -> None:
    tensors = tensors_in(weights)
    wait()
    assert in_memory(weights) < MIB
    assert int(tensors["c"][0]) == 2


def test_what_is_not_wanted_is_left(weights: Path) -> None:
    """Runs of wanted tensors alone, as a file with a running average holds."""
    tensors_in_order = tensors_in(weights, soon=lambda name: name != "b")
    wait()
    assert 3 * MIB <= in_memory(weights) < 4 * MIB
    assert len(tensors_in_order) == 4


def test_blocks_cover_every_page_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_BLOCK", 2 * paging._PAGE)
    pages = [
        page for start, size in paging._blocks(5000, 30000) for page in range(start, start + size)
    ]
    assert pages == list(range(4096, 32768))


def test_a_tensor_without_numbers_has_no_place() -> None:
    assert paging.bring_in(torch.empty(0), torch.empty(4)) == ()


def test_what_is_let_go_is_there_again_when_it_is_read(weights: Path) -> None:
    tensors = tensors_in(weights)
    assert [int(tensors[name].sum()) for name in "abcd"] == [k * MIB for k in range(4)]
    assert in_memory(weights) >= 4 * MIB
    paging.let_go(tensors["b"])
    paging.let_go(paging.as_mapped_as(tensors["c"], tensors["c"][: MIB // 2]))
    assert 2 * MIB < in_memory(weights) < 3 * MIB
    assert [int(tensors[name].sum()) for name in "abcd"] == [k * MIB for k in range(4)]


def test_what_is_no_file_is_never_let_go(weights: Path) -> None:
    """Its memory would come back as zeros."""
    tensors = tensors_in(weights)
    copy = tensors["d"].clone()
    for one, other in ((copy, copy[7:]), (tensors["d"], tensors["d"] + 1)):
        paging.let_go(one)
        paging.let_go(other)
    assert int(copy.sum()) == 3 * MIB


def test_a_tensor_that_is_not_in_its_file_is_not_taken_for_it(weights: Path) -> None:
    other = torch.ones(MIB, dtype=torch.uint8)
    paging.mapped_from(weights, {"a": other})
    paging.let_go(other)
    assert int(other.sum()) == MIB


def test_a_mapping_that_is_gone_leaves_nothing_behind(weights: Path) -> None:
    """What takes its place in memory is somebody else's."""
    gc.collect()
    before = len(paging._mapped)
    tensors = tensors_in(weights)
    assert len(paging._mapped) == before + 4
    del tensors
    gc.collect()
    assert len(paging._mapped) == before
