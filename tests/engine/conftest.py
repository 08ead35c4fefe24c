"""Owns the models that the engine's tests run on: the shipped one, and tiny random ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import write_tiny_model

from sdcli.engine import Engine


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    """The same sums in the same order, however many cores there are."""
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint, ε-prediction."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Engine:
    """An engine on the tiny checkpoint."""
    return Engine.load(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def builtin() -> Engine:
    """An engine on the shipped model."""
    return Engine.load(device="cpu")
