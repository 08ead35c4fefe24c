"""The system is asked for every byte of a model's weights before torch is imported."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeEngine

from sdcli.models import Model
from sdcli.models import prefetch as read_ahead
from sdcli.models.model import Vae

Asked = list[tuple[int, int]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found: Asked = []
    monkeypatch.setattr(read_ahead, "_BLOCK", 100)
    monkeypatch.setattr(
        os, "posix_fadvise", lambda _, start, size, __: found.append((start, size)), raising=False
    )
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    return found


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Two parts of 250 bytes each."""
    for part in ("unet", "vae"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "diffusion_pytorch_model.safetensors").write_bytes(bytes(250))
    return replace(FakeEngine().model, path=tmp_path, configs={"unet": {}, "vae": {}})


def test_every_byte_of_every_part_is_asked_for(model: Model, asked: Asked) -> None:
    thread = read_ahead.read_ahead(model)
    assert thread is not None
    thread.join()
    assert asked == [(0, 100), (100, 100), (200, 100)] * 2


def test_a_vae_of_its_own_too(model: Model, asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(bytes(30))
    other = replace(model, vae=Vae(tmp_path / "other.safetensors", {}, None))
    thread = read_ahead.read_ahead(other)
    assert thread is not None
    thread.join()
    assert len(asked) == 7


def test_a_file_that_went_away_is_the_loaders_matter(model: Model, asked: Asked) -> None:
    (model.path / "unet/diffusion_pytorch_model.safetensors").rename(model.path / "gone")
    (model.path / "unet/diffusion_pytorch_model.safetensors").symlink_to("nowhere")
    thread = read_ahead.read_ahead(model)
    if thread is not None:
        thread.join()
    assert asked == []


def test_a_system_that_takes_no_advice_is_given_none(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert read_ahead.read_ahead(model) is None
