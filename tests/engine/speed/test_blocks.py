"""Blocks that write over what nobody reads again: diffusers' numbers, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.speed.blocks import Gated, Residual, save_memory


def settled(block: Any) -> Any:
    return block.requires_grad_(False).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("into", "out"), [(32, 32), (32, 64)])
@pytest.mark.parametrize("time", [None, 16])
def test_a_residual_block_is_that_of_diffusers(
    into: int, out: int, time: int | None, dtype: torch.dtype
) -> None:
    block = settled(
        ResnetBlock2D(in_channels=into, out_channels=out, temb_channels=time, groups=8).to(dtype)
    )
    x = torch.randn(2, into, 8, 8, dtype=dtype)
    embedding = None if time is None else torch.randn(2, time, dtype=dtype)
    given, before = x.clone(), None if embedding is None else embedding.clone()
    expected = block(x, embedding)
    save_memory(block)
    assert type(block) is Residual
    assert torch.equal(block(x, embedding), expected)
    assert torch.equal(x, given)
    if embedding is not None:
        assert before is not None
        assert torch.equal(embedding, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gate_is_that_of_diffusers(dtype: torch.dtype) -> None:
    block = settled(GEGLU(16, 32).to(dtype))
    x = torch.randn(2, 5, 16, dtype=dtype)
    kept, expected = x.clone(), block(x)
    save_memory(block)
    assert type(block) is Gated
    assert torch.equal(block(x), expected)
    assert torch.equal(x, kept)


@pytest.mark.parametrize(
    "unlike",
    [
        {"up": True},
        {"down": True},
        {"output_scale_factor": 2.0},
        {"time_embedding_norm": "scale_shift"},
        {"skip_time_act": True},
        {"non_linearity": "mish"},
    ],
    ids=str,
)
def test_blocks_of_other_models_are_left_alone(unlike: dict[str, Any]) -> None:
    block = settled(ResnetBlock2D(in_channels=32, temb_channels=16, groups=8, **unlike))
    save_memory(block)
    assert type(block) is ResnetBlock2D


def test_every_block_of_a_model_is_met(builtin: Engine) -> None:
    for network in (builtin._components.backbone.network, builtin._components.networks["vae"]):
        kinds = [type(module) for module in network.modules()]
        assert Residual in kinds
        assert ResnetBlock2D not in kinds
        assert GEGLU not in kinds


def test_a_whole_call_is_that_of_diffusers(builtin: Engine) -> None:
    def answers() -> tuple[Tensor, Tensor]:
        unet, vae = builtin._components.backbone.network, builtin._components.networks["vae"]
        source = torch.Generator().manual_seed(0)
        x = torch.randn(2, 4, 16, 16, generator=source)
        told = torch.randn(2, 77, unet.config.cross_attention_dim, generator=source)
        with torch.inference_mode():
            said = unet(x, torch.tensor(500.0), told, return_dict=False)[0]
            return said, vae.decode(x, return_dict=False)[0]

    networks = builtin._components.backbone.network, builtin._components.networks["vae"]
    ours = answers()
    blocks = [m for network in networks for m in network.modules() if type(m) in (Residual, Gated)]
    kinds = [type(block) for block in blocks]
    for block, kind in zip(blocks, kinds, strict=True):
        block.__class__ = {Residual: ResnetBlock2D, Gated: GEGLU}[kind]
    theirs = answers()
    for block, kind in zip(blocks, kinds, strict=True):
        block.__class__ = kind
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
