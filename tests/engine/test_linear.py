"""Linear layers through oneDNN: the same numbers, and only where they pay."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sdcli.engine import Engine
from sdcli.engine import linear as module
from sdcli.engine.device import Placement
from sdcli.engine.linear import OneDnnLinear, quicken
from sdcli.likeness import likeness
from sdcli.request import GenerationRequest

CPU = torch.device("cpu")


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor where MKL is slow, and however few the products."""
    monkeypatch.setattr(module, "_from_intel", lambda: False)
    monkeypatch.setattr(module, "_WORTH", 0)


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("shape", [(1, 48), (3, 48), (2, 77, 48), (2, 3, 5, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_numbers_are_those_of_nn_linear(shape: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(48, 96, bias=bias).requires_grad_(False)
    x = torch.randn(*shape[:-1], 2 * shape[-1])[..., ::2]  # not contiguous
    expected = layer(x)
    quicken(layer, Placement(CPU, torch.float32))
    assert type(layer) is OneDnnLinear
    found = layer(x)
    assert found.shape == expected.shape
    assert (found - expected).norm() <= 1e-6 * expected.norm()


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize(
    "placement", [Placement(CPU, torch.bfloat16), Placement(torch.device("cuda"), torch.float32)]
)
def test_other_formats_and_devices_are_left_alone(placement: Placement) -> None:
    layer = nn.Linear(4, 4)
    quicken(layer, placement)
    assert type(layer) is nn.Linear


def test_intels_own_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "vendor_id\t: GenuineIntel\n")
    layer = nn.Linear(4, 4)
    quicken(layer, Placement(CPU, torch.float32))
    assert type(layer) is nn.Linear


@pytest.mark.usefixtures("everywhere")
def test_no_picture_changes(builtin: Engine) -> None:
    request = GenerationRequest(prompt="a red circle", seed=1, steps=8, cfg_scale=5)
    linears = [m for m in builtin._components.unet.modules() if isinstance(m, nn.Linear)]
    kinds = [type(layer) for layer in linears]
    quicken(builtin._components.unet, Placement(CPU, torch.float32))
    assert all(type(layer) is OneDnnLinear for layer in linears)
    by_onednn = builtin.generate(request).image
    for layer in linears:
        layer.__class__ = nn.Linear
    by_mkl = builtin.generate(request).image
    for layer, kind in zip(linears, kinds, strict=True):
        layer.__class__ = kind
    assert likeness(by_onednn, by_mkl).greatest <= 1
