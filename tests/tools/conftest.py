"""Makes the repository's own tools importable, and owns the engine that they are tried on."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sdcli import Engine

sys.path.append(str(Path(__file__).parents[2]))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The shipped model; one thread, so that sums have one order on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Engine.load(device="cpu")
    torch.set_num_threads(threads)
