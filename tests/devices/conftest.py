"""The models that run on the pretended devices, and what else their works need."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from devices.works import write_adapters, write_pictures
from tiny import write_tiny_model


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """As in the engine's own tests."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint, ε-prediction."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder of LoRAs and a textual inversion for it."""
    folder = tmp_path_factory.mktemp("adapters")
    write_adapters(folder)
    return folder


@pytest.fixture(autouse=True)
def _pictures() -> None:
    """in.png and mask.png in the working folder."""
    write_pictures(Path.cwd())
