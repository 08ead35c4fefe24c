"""Owns the models that the engine's tests run on: the shipped one, and tiny random ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import write_tiny_model

from sdcli.engine import Engine


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """The same sums in the same order, however many cores there are; other tests have the rest."""
    torch.set_num_threads(1)


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


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """The file of a picture of 64 by 64 pixels in soft colours."""
    levels = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    return tmp_path / "a.png"
