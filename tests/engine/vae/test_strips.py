"""A picture too large to decode whole is decoded in strips, to the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload

from sdcli.engine import Engine
from sdcli.engine.vae import strips
from sdcli.engine.vae.codec import decode, pad_around
from sdcli.engine.vae.strips import decode_in_strips
from sdcli.errors import OutOfMemory
from sdcli.models.latents import LatentSpace
from sdcli.request import GenerationRequest

CPU = torch.device("cpu")
SPACE = LatentSpace(scale=1.0)
ROWS_OF_96 = 5 * 96  # strips of five rows at full width, more where the layers are smaller


@pytest.fixture
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_PIXELS", ROWS_OF_96)


@pytest.fixture
def engine() -> Engine:
    """One of its own: what a VAE is moved to stays."""
    return Engine.load(device="cpu")


def latents(*, height: int = 11, width: int = 12, count: int = 1) -> torch.Tensor:
    return torch.randn(count, 4, height, width, generator=torch.Generator().manual_seed(5))


def fill(vae: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the memory too small for a whole decode."""

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(vae, "decode", full)


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("tiling", [False, True], ids=["plain", "seamless"])
@torch.inference_mode()
def test_strips_give_what_the_whole_gives(engine: Engine, tiling: bool) -> None:
    """Heights that no strip divides, edges that wrap around and edges that do not."""
    pad_around(engine._components.networks["vae"], tiling)
    vae = engine._components.networks["vae"]
    for height in (1, 2, 11):
        x = latents(height=height)
        assert (decode_in_strips(vae, x) - vae.decode(x).sample).abs().max() < 2e-5, height


@pytest.mark.usefixtures("small_strips")
@torch.inference_mode()
def test_no_layer_beyond_the_latents_size_is_whole(engine: Engine) -> None:
    vae = engine._components.networks["vae"]
    seen: list[int] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0, 0].numel()))
        for name, module in vae.decoder.named_modules()
        if isinstance(module, torch.nn.Conv2d) and "mid_block" not in name
    ]
    decode_in_strips(vae, latents())
    for hook in hooks:
        hook.remove()
    assert max(seen) <= ROWS_OF_96 + 2 * 96  # a strip, and a row above and below


@pytest.mark.usefixtures("small_strips")
@torch.inference_mode()
def test_weights_that_are_fetched_layer_by_layer_serve_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdcli.engine.speed.packing.packs", lambda _: False)  # as on a GPU
    vae, x = Engine.load("builtin", device="cpu")._components.networks["vae"], latents()
    whole = vae.decode(x).sample
    cpu_offload(vae, CPU, offload_buffers=True)
    assert vae.decoder.conv_norm_out.weight.is_meta
    assert (decode_in_strips(vae, x) - whole).abs().max() < 2e-5


def test_a_picture_that_does_not_fit_is_made_all_the_same_and_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [GenerationRequest(prompt="a red circle", seed=s, steps=2) for s in (1, 2)]
    whole = [engine.generate(request).image for request in requests]
    fill(engine._components.networks["vae"], monkeypatch)
    said: list[str] = []
    run = engine.start(requests, say=said.append)
    list(run)
    for picture, other in zip(run.pictures(), whole, strict=True):
        difference = np.asarray(picture.image).astype(int) - np.asarray(other)
        assert np.abs(difference).max() <= 1
    assert said == ["the picture is too large for memory: decoding it in strips"]


def test_what_does_not_fit_in_strips_either_is_an_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = engine._components.networks["vae"]
    fill(vae, monkeypatch)
    monkeypatch.setattr(vae.decoder.mid_block, "forward", vae.decode)
    with pytest.raises(OutOfMemory, match="while decoding in strips"):
        decode(vae, latents(), space=SPACE, say=lambda _: None)


def test_an_offloaded_vae_that_fails_in_half_precision_goes_on_in_fp32(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcli.engine.speed.packing.packs", lambda _: False)  # as on a GPU
    vae = Engine.load(str(tiny_folder), device="cpu", dtype="bf16")._components.networks["vae"]
    cpu_offload(vae, CPU, offload_buffers=True)
    whole = vae.decode

    def overflowing(latent: torch.Tensor, **kwargs: object) -> tuple[torch.Tensor]:
        [decoded] = whole(latent, **kwargs)
        return (decoded * torch.nan if decoded.dtype == torch.bfloat16 else decoded,)

    monkeypatch.setattr(vae, "decode", overflowing)
    said: list[str] = []
    [picture] = decode(vae, latents(height=8, width=8), space=SPACE, say=said.append)
    assert np.asarray(picture).std() > 0
    assert said == ["the VAE returned NaN in half precision: continuing in fp32"]
    assert vae.decoder.conv_in.weight.dtype == torch.float32
