"""Files that belong elsewhere: told for what they are, and where they go, by every option.

The names are those of published files, two or three of each; where they were seen stands beside
them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import write_family
from quick import slow
from safetensors.numpy import save
from safetensors.torch import load_file
from tiny import write_tiny_model

from sdcli.engine import Engine
from sdcli.engine.weights.convert import to_single_file
from sdcli.errors import ModelError
from sdcli.models import find
from sdcli.models.header import layout_of
from sdcli.models.vae import with_vae
from sdcli.request import GenerationRequest

KINDS: dict[str, tuple[str, ...]] = {
    "an IP-Adapter": (
        "image_proj.proj.weight ip_adapter.1.to_k_ip.weight",  # h94/IP-Adapter, ip-adapter_sd15
        "image_proj.proj.0.weight ip_adapter.13.to_v_lora.up.weight",  # …-faceid_sd15
    ),
    "a ControlNet": (
        "control_model.input_blocks.0.0.weight control_model.zero_convs.0.0.bias",  # lllyasviel
        "input_blocks.0.0.weight zero_convs.11.0.bias middle_block_out.0.bias",  # without its root
        "conv_in.weight controlnet_cond_embedding.conv_in.weight",  # diffusers
        "input_blocks.0.0.down lora_controlnet zero_convs.11.0.bias",  # Stability AI's Control-LoRA
    ),
    "a T2I-Adapter": (
        "conv_in.weight body.0.block1.weight",  # TencentARC, t2iadapter_canny_sd14v1.pth
        "adapter.conv_in.weight adapter.body.0.resnets.0.block1.weight",  # diffusers
    ),
    "an upscaler": (
        "params_ema.body.0.rdb1.conv1.weight params_ema.conv_last.bias",  # RealESRGAN_x4plus.pth
        "model.1.sub.0.RDB1.conv1.0.weight model.10.bias",  # ESRGAN before BasicSR: 4x-UltraSharp
        "params.body.0.weight params.body.66.bias",  # realesr-general-x4v3
    ),
    "a TAESD, a small VAE for previews": (
        "1.weight 3.conv.0.weight",  # taesd_decoder.pth
        "encoder.layers.0.weight decoder.layers.18.bias",  # madebyollin/taesd
    ),
    "an image encoder (CLIP vision)": (
        "vision_model.embeddings.class_embedding visual_projection.weight",  # h94's image_encoder
    ),
    "a textual inversion": (
        "emb_params",  # EasyNegative
        "string_to_param.*",  # A1111's .pt
        "clip_g clip_l",  # SDXL
        "<cat-toy>",  # diffusers' learned_embeds
    ),
    "a LoRA": (
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",  # kohya
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",  # PEFT
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
        "diffusion_model.input_blocks.1.1.proj_in.lora_up.weight",  # ComfyUI
        "lora_unet_conv_in.oft_blocks",  # LyCORIS
    ),
    "a VAE": (
        "encoder.down.0.block.0.conv1.weight decoder.conv_in.weight",  # vae-ft-mse-840000
        "encoder.mid_block.attentions.0.query.weight decoder.conv_in.weight",  # diffusers
    ),
    "a text encoder": (
        "text_model.encoder.layers.0.mlp.fc1.weight",  # clip_l.safetensors
        "encoder.block.0.layer.0.SelfAttention.k.weight shared.weight",  # t5xxl_fp16.safetensors
    ),
    "a UNet without its text encoder and VAE": (
        "input_blocks.0.0.weight out.2.bias",
        "conv_in.weight down_blocks.0.resnets.0.conv1.weight",  # diffusers
    ),
    "a checkpoint without its text encoder": (
        "model.diffusion_model.input_blocks.0.0.weight first_stage_model.decoder.conv_in.weight",
    ),
    "a checkpoint without its text encoder and VAE": (
        "model.diffusion_model.input_blocks.0.0.weight",
    ),
    "a checkpoint without its UNet": (
        "cond_stage_model.transformer.text_model.final_layer_norm.weight "
        "first_stage_model.decoder.conv_in.weight",
    ),
    "a Flux model": ("double_blocks.0.img_attn.qkv.weight",),  # flux1-dev.safetensors
    "no Stable Diffusion checkpoint": ("a b c",),
}
CASES = [(kind, names.split()) for kind, examples in KINDS.items() for names in examples]
OTHERS = [
    case for case in CASES if case[0] not in ("a LoRA", "a VAE") and "checkpoint" not in case[0]
]
HINTS = {
    "a LoRA": "--lora",
    "a VAE": "--vae",
    "an upscaler": "--hires-upscaler",
    "a textual inversion": "embeddings/",
}


def tensors(names: list[str]) -> bytes:
    return bytes(save({name: np.zeros((1, 4, 1, 1), np.float32) for name in names}))


@pytest.mark.parametrize(("kind", "names"), CASES, ids=lambda value: str(value)[:50])
def test_as_a_model(kind: str, names: list[str], sdcli: Any) -> None:
    Path("a.safetensors").write_bytes(tensors(names))
    result = sdcli("gen", "a fox", "-m", "a.safetensors", "-o", "x.png")
    assert result.code == 2
    assert kind in result.err
    assert HINTS.get(kind, "") in result.err
    assert result.err.count("error:") == 1


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model as one file."""
    root = tmp_path_factory.mktemp("kinds")
    to_single_file(find(str(write_tiny_model(root / "tiny"))), root / "tiny.safetensors")
    return root / "tiny.safetensors"


@pytest.mark.parametrize(("kind", "names"), OTHERS, ids=lambda value: str(value)[:50])
def test_as_a_vae_and_as_a_lora(
    kind: str, names: list[str], single: Path, tiny: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(tensors(names))
    with pytest.raises(ModelError, match=r"--vae: .* is ") as caught:
        with_vae(find(str(single)), str(path))
    assert kind in caught.value.message
    with pytest.raises(ModelError) as caught:
        tiny.generate(GenerationRequest(prompt=f"a <lora:{path}:1>", seed=1, steps=1))
    assert kind in f"{caught.value.message} {caught.value.hint}"


def test_a_checkpoint_as_a_lora_and_a_lora_of_another_family(
    single: Path, tiny: Engine, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="is a whole checkpoint") as caught:
        tiny.generate(GenerationRequest(prompt=f"a <lora:{single}:1>", seed=1, steps=1))
    assert "--model" in caught.value.hint
    path = tmp_path / "a.safetensors"
    names = [f"lora_unet_no_such_layer.lora_{part}.weight" for part in ("down", "up")]
    path.write_bytes(bytes(save({name: np.zeros((2, 2), np.float32) for name in names})))
    with pytest.raises(ModelError, match="has no layer of this model"):
        tiny.generate(GenerationRequest(prompt=f"a <lora:{path}:1>", seed=1, steps=1))


# What is saved under a model's name where a download went wrong, or by mistake.
STARTS = {
    "a web page": b"<!DOCTYPE html><html><body>Please sign in",
    "a JSON text": b'{"error": "Unauthorized"}',
    "a git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4265",
    "a GGUF file": b"GGUF\x03\x00\x00\x00",
    "a picture": b"\x89PNG\r\n\x1a\n",
    "an archive": b"7z\xbc\xaf\x27\x1c",
    "empty": b"",
}


@pytest.mark.parametrize("ending", ["safetensors", "ckpt", slow("pt"), slow("gguf"), slow("zip")])
@pytest.mark.parametrize("kind", STARTS)
def test_a_file_that_holds_no_weights(kind: str, ending: str, sdcli: Any) -> None:
    path = Path(f"a.{ending}")
    path.write_bytes(STARTS[kind])
    result = sdcli("gen", "a fox", "-m", str(path), "-o", "x.png")
    assert result.code == 2
    assert f"is {kind}" in result.err, result.err
    if ending in ("safetensors", "ckpt"):
        result = sdcli("gen", "a fox", "--vae", str(path), "-o", "x.png")
        assert result.code == 2
        assert f"is {kind}" in result.err, result.err


def test_a_folder_of_models_lists_them_for_what_they_are(sdcli: Any) -> None:
    Path("models").mkdir()
    Path("models/page.safetensors").write_bytes(STARTS["a web page"])
    Path("models/lora.safetensors").write_bytes(tensors(KINDS["a LoRA"][0].split()))
    rows = map(json.loads, sdcli("models", "list", "--models-dir", "models", "--json").lines)
    families = {row["name"]: row["family"] for row in rows}
    assert families["lora"] == "a LoRA"
    assert families["page"].endswith("is a web page")


def test_the_content_tells_a_pickle_from_a_safetensors_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People rename files; and torch before 1.6 wrote no zip archive."""
    folder = write_family(tmp_path / "folder", "sd1")
    monkeypatch.setattr("sdcli.models.single_file.tokenizer", lambda **_: folder / "tokenizer")
    plain = tmp_path / "plain.safetensors"
    to_single_file(find(str(folder)), plain)
    wanted = picture(plain)
    renamed = tmp_path / "renamed.ckpt"
    renamed.write_bytes(plain.read_bytes())
    assert np.array_equal(picture(renamed), wanted)
    state = {"state_dict": load_file(plain)}
    new, old = tmp_path / "new.safetensors", tmp_path / "old.ckpt"
    torch.save(state, new)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    assert (layout_of(new), layout_of(old)) == ("zip", "old pickle")
    for path in (new, old):
        assert np.abs(picture(path) - wanted).max() <= 1


def picture(path: Path) -> np.ndarray:
    request = GenerationRequest(prompt="a fox", seed=1, steps=2, width=64, height=64)
    return np.asarray(Engine.load(str(path), device="cpu").generate(request).image, np.int16)
