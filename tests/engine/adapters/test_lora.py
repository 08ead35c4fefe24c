"""LoRAs: every format adds what it says, strengths add up, and none taken out leaves a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.adapters.lora import Lora, Loras
from sdcli.engine.adapters.lora_formats import Layer, layers_of
from sdcli.engine.speed.packing import plain
from sdcli.errors import ModelError
from sdcli.request import GenerationRequest

R = 3
QUERY = "up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"
CONVOLUTION = "mid_block.resnets.0.conv1"
TEXT = "encoder.layers.0.self_attn.q_proj"


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def networks(engine: Engine) -> dict[str, Any]:
    parts = engine._components
    text = parts.networks["text_encoder"]
    text = getattr(text, "text_model", text)
    return {"unet": parts.backbone.network, "text_encoder": text}


def dense(tensor: Tensor) -> Tensor:
    return tensor.to_dense() if tensor.is_mkldnn else tensor


def weight(engine: Engine, part: str, name: str) -> Tensor:
    return plain(networks(engine)[part].get_submodule(name))


def pairs(engine: Engine) -> dict[tuple[str, str], tuple[Tensor, Tensor]]:
    """(down, up) for three layers of the tiny model."""
    found = {}
    for part, name in (("unet", QUERY), ("unet", CONVOLUTION), ("text_encoder", TEXT)):
        shape = weight(engine, part, name).shape
        up = (shape[0], R, *[1] * (len(shape) - 2))
        found[part, name] = (noise(R, *shape[1:]), noise(*up))
    return found


def written(engine: Engine, form: str) -> dict[str, Tensor]:
    """A file's tensors, in the names of that form."""
    tensors: dict[str, Tensor] = {}
    for (part, name), (down, up) in pairs(engine).items():
        inner = f"text_model.{name}" if part == "text_encoder" else name
        if form == "kohya":
            prefix = "lora_unet" if part == "unet" else "lora_te"
            stem = f"{prefix}_{inner.replace('.', '_')}"
            tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
            tensors[f"{stem}.alpha"] = torch.tensor(float(R))
        elif form == "peft":
            tensors |= {f"{part}.{inner}.lora_A.weight": down, f"{part}.{inner}.lora_B.weight": up}
        else:
            tensors |= {
                f"{part}.{inner}.lora.down.weight": down,
                f"{part}.{inner}.lora.up.weight": up,
            }
    return tensors


@pytest.fixture
def engine(tiny_folder: Path) -> Engine:
    """A tiny model of its own, since its weights are changed."""
    return Engine.load(str(tiny_folder), device="cpu")


def said_nothing(message: str) -> None:
    raise AssertionError(message)


@pytest.mark.parametrize("form", ["kohya", "peft", "diffusers"])
def test_every_format_adds_up_times_down(engine: Engine, tmp_path: Path, form: str) -> None:
    save_file(written(engine, form), tmp_path / "style.safetensors")
    before = {key: weight(engine, *key).clone() for key in pairs(engine)}
    engine._components.use([Lora(tmp_path / "style.safetensors", 0.5, 0.25)], said_nothing)
    for (part, name), (down, up) in pairs(engine).items():
        added = (up.flatten(1) @ down.flatten(1)).reshape(before[part, name].shape)
        strength = 0.25 if part == "unet" else 0.5
        wanted = before[part, name] + strength * added
        assert torch.allclose(weight(engine, part, name), wanted, atol=1e-5)


def test_what_is_taken_out_leaves_no_trace(engine: Engine, tmp_path: Path) -> None:
    """Every byte of every weight, after one set, another, and none."""
    save_file(written(engine, "kohya"), tmp_path / "a.safetensors")
    save_file(
        {name: 2 * tensor for name, tensor in written(engine, "peft").items()},
        tmp_path / "b.safetensors",
    )
    before = {
        (part, name): dense(tensor).clone()
        for part, network in networks(engine).items()
        for name, tensor in network.state_dict().items()
    }
    a, b = (Lora(tmp_path / f"{name}.safetensors", 1, 1) for name in "ab")
    for loras in ([a], [a, b], [b], []):
        engine._components.use(loras, said_nothing)
    for part, network in networks(engine).items():
        for name, tensor in network.state_dict().items():
            assert torch.equal(dense(tensor), before[part, name])


def test_two_add_up(engine: Engine, tmp_path: Path) -> None:
    save_file(written(engine, "kohya"), tmp_path / "a.safetensors")
    one, two = Lora(tmp_path / "a.safetensors", 1, 1), Lora(tmp_path / "a.safetensors", 2, 2)
    before = weight(engine, "unet", QUERY).clone()
    engine._components.use([one], said_nothing)
    once = weight(engine, "unet", QUERY) - before
    engine._components.use([one, two], said_nothing)
    assert torch.allclose(weight(engine, "unet", QUERY) - before, 3 * once, atol=1e-4)


def test_a_tag_in_the_prompt_changes_the_picture(engine: Engine, tmp_path: Path) -> None:
    """Strength 0 does not; without the tag the picture is the old one, to the pixel."""
    tensors = {name: tensor / 10 for name, tensor in written(engine, "kohya").items()}
    tensors |= {name: tensor * 10 for name, tensor in tensors.items() if name.endswith("alpha")}
    path = tmp_path / "style.safetensors"
    save_file(tensors, path)

    def picture(prompt: str) -> np.ndarray:
        request = GenerationRequest(prompt=prompt, seed=1, steps=3)
        return np.asarray(engine.generate(request).image, np.float64)

    plain = picture("a fox")
    changes = [np.abs(picture(f"a fox<lora:{path}:{s}>") - plain).mean() for s in (0, 0.5, 1)]
    assert changes[0] == 0
    assert 0 < changes[1] < changes[2]
    assert np.array_equal(picture("a fox"), plain)


def test_layers_that_match_nothing_are_told(engine: Engine, tmp_path: Path) -> None:
    tensors = written(engine, "kohya")
    tensors["lora_unet_no_such_layer.lora_up.weight"] = noise(4, R)
    tensors["lora_unet_no_such_layer.lora_down.weight"] = noise(R, 4)
    tensors["what.is.this"] = noise(2)
    save_file(tensors, tmp_path / "a.safetensors")
    said: list[str] = []
    engine._components.use([Lora(tmp_path / "a.safetensors", 1, 1)], said.append)
    assert ["no_such_layer" in said[0], "what.is.this" in said[1]] == [True, True]


def test_a_lora_for_another_family_is_refused(engine: Engine, tmp_path: Path) -> None:
    save_file({"lora_te3_x.lora_up.weight": noise(4, R)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="no layer of this model"):
        engine._components.use([Lora(tmp_path / "a.safetensors", 1, 1)], said_nothing)
    misshapen = written(engine, "kohya")
    name = next(name for name in misshapen if name.endswith("to_q.lora_up.weight"))
    misshapen[name] = noise(7, R)
    save_file(misshapen, tmp_path / "b.safetensors")
    before = {key: weight(engine, *key).clone() for key in pairs(engine)}
    with pytest.raises(ModelError, match="does not fit a layer of shape"):
        engine._components.use([Lora(tmp_path / "b.safetensors", 1, 1)], said_nothing)
    assert all(torch.equal(weight(engine, *key), kept) for key, kept in before.items())


def layer(**parts: Tensor) -> Layer:
    tensors = {f"x.{name.replace('__', '.')}": part for name, part in parts.items()}
    return layers_of(tensors)[0]["x"]


def test_loha_is_a_product_of_two_products() -> None:
    a, b, c, d = noise(6, R), noise(R, 8), noise(6, R, seed=1), noise(R, 8, seed=1)
    found = layer(hada_w1_a=a, hada_w1_b=b, hada_w2_a=c, hada_w2_b=d, alpha=torch.tensor(6.0))
    assert torch.allclose(found.delta(torch.zeros(6, 8)), 2 * (a @ b) * (c @ d), atol=1e-5)


def test_lokr_is_a_kronecker_product() -> None:
    one, a, b = noise(2, 4), noise(3, R), noise(R, 2)
    found = layer(lokr_w1=one, lokr_w2_a=a, lokr_w2_b=b, alpha=torch.tensor(1.5))
    assert torch.allclose(found.delta(torch.zeros(6, 8)), torch.kron(one, a @ b) / 2, atol=1e-5)
    convolution = layer(lokr_w1=one, lokr_w2=noise(3, 2, 3, 3))
    assert convolution.delta(torch.zeros(6, 8, 3, 3)).shape == (6, 8, 3, 3)


def test_a_middle_convolution_stands_between() -> None:
    down, mid, up = noise(R, 8, 1, 1), noise(R, R, 3, 3), noise(6, R, 1, 1)
    x = noise(1, 8, 5, 5)
    wanted = torch.nn.functional.conv2d(
        torch.nn.functional.conv2d(torch.nn.functional.conv2d(x, down), mid, padding=1), up
    )
    delta = layer(lora_down__weight=down, lora_mid__weight=mid, lora_up__weight=up).delta(
        torch.zeros(6, 8, 3, 3)
    )
    assert torch.allclose(torch.nn.functional.conv2d(x, delta, padding=1), wanted, atol=1e-3)


@pytest.mark.parametrize("shape", [(6, 1), (1, 8)])
def test_dora_keeps_magnitudes_of_its_own(shape: tuple[int, int]) -> None:
    base, down, up, magnitude = noise(6, 8), noise(R, 8), noise(6, R), noise(*shape).abs()
    delta = layer(lora_down__weight=down, lora_up__weight=up, dora_scale=magnitude).delta(base)
    norm = (base + delta).norm(dim=1 if shape[0] == 6 else 0)
    assert torch.allclose(norm, magnitude.flatten(), atol=1e-5)


def test_names_of_the_original_layout_are_understood(engine: Engine) -> None:
    loras = engine._components.loras
    assert isinstance(loras, Loras)
    down, up = pairs(engine)["unet", QUERY]
    original = "lora_unet_output_blocks_0_1_transformer_blocks_0_attn2_to_q"
    save_file(
        {f"{original}.lora_down.weight": down, f"{original}.lora_up.weight": up}, "a.safetensors"
    )
    before = weight(engine, "unet", QUERY).clone()
    engine._components.use([Lora(Path("a.safetensors"), 1, 1)], said_nothing)
    assert torch.allclose(weight(engine, "unet", QUERY), before + up @ down, atol=1e-5)
