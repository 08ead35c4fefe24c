"""Single files: the family, the shapes and the weights of a checkpoint in the original layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as theirs
from safetensors.torch import load_file, save_file
from tiny import write_folder, write_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel

from sdcli import Engine, GenerationRequest
from sdcli.engine.convert import to_single_file
from sdcli.engine.loading import empty, sources
from sdcli.errors import ModelError
from sdcli.families import by_name
from sdcli.models import find, single_file
from sdcli.models.header import read_header

ATTENDING = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
RISING = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3


def picture(model: Path, **changes: Any) -> np.ndarray:
    request = GenerationRequest(prompt="a fox", seed=1, steps=3, width=64, height=64, **changes)
    return np.asarray(Engine.load(str(model), device="cpu").generate(request).image, np.int16)


@pytest.fixture
def single(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny model as one file."""
    to_single_file(find(str(tiny_folder)), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_a_single_file_makes_the_folders_picture(tiny_folder: Path, single: Path) -> None:
    assert np.abs(picture(single) - picture(tiny_folder)).max() <= 1


def networks(kind: str, vocabulary: int) -> Mapping[str, Any]:
    """Networks as Stable Diffusion has them, made small: 8 heads, or 64 channels a head."""
    linear = kind == "sd2"
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(64, 64, 128, 128),
        cross_attention_dim=128,
        attention_head_dim=(1, 1, 2, 2) if linear else 8,
        use_linear_projection=linear,
        layers_per_block=2,
        down_block_types=ATTENDING,
        up_block_types=RISING,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.18215,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            projection_dim=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=2,
            hidden_act="gelu" if linear else "quick_gelu",
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )
    return {"unet": unet, "vae": vae, "text_encoder": text}


@pytest.fixture(scope="module", params=["sd1", "sd2"])
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Path]:
    """(name, folder, single file as its makers write it: nothing but tensors)."""
    root = tmp_path_factory.mktemp("family")
    folder, file = root / "folder", root / "single.safetensors"
    torch.manual_seed(5)
    vocabulary = write_tokenizer(folder / "tokenizer")
    write_folder(folder, networks(request.param, vocabulary))
    model = find(str(folder))
    to_single_file(replace(model, family=by_name(request.param)), file)
    save_file(load_file(file), file)  # without the metadata
    return request.param, folder, file


@pytest.fixture(autouse=True)
def _tokenizer(family: tuple[str, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of CLIP's, which is on the hub."""
    _, folder, _ = family
    monkeypatch.setattr(single_file, "tokenizer", lambda **_: folder / "tokenizer")


def test_the_family_and_its_shapes_are_told_by_the_tensors(family: tuple[str, Path, Path]) -> None:
    name, folder, file = family
    found, known = find(str(file)), find(str(folder))
    assert found.family.name == name
    for part, config in found.configs.items():
        for key, value in config.items():
            wanted = known.configs[part][key]
            if key == "transformer_layers_per_block":
                assert set(value) == {wanted}
            else:
                assert wanted == (list(value) if isinstance(value, tuple) else value), (part, key)


def test_it_makes_the_folders_picture(family: tuple[str, Path, Path]) -> None:
    _, folder, file = family
    assert np.abs(picture(file) - picture(folder)).max() <= 1


def test_the_weights_are_those_that_diffusers_reads(family: tuple[str, Path, Path]) -> None:
    """Bit for bit, by its own converters."""
    name, _, file = family
    model, tensors = find(str(file)), load_file(file)
    text = empty(model, "text_encoder")
    wanted = {
        "unet": theirs.convert_ldm_unet_checkpoint(dict(tensors), model.configs["unet"]),
        "vae": theirs.convert_ldm_vae_checkpoint(dict(tensors), model.configs["vae"]),
        "text_encoder": theirs.convert_ldm_clip_checkpoint(dict(tensors))
        if name == "sd1"
        else theirs.convert_open_clip_checkpoint(text, dict(tensors)),
    }
    for part, source in sources(model).items():
        for key, theirs_tensor in wanted[part].items():
            ours = source(key.removeprefix("text_model."))
            assert ours is not None, key
            assert torch.equal(ours.reshape(theirs_tensor.shape), theirs_tensor), key


def test_a_pickle_makes_the_same_picture(family: tuple[str, Path, Path], tmp_path: Path) -> None:
    _, _, file = family
    torch.save({"state_dict": load_file(file)}, tmp_path / "tiny.ckpt")
    assert read_header(tmp_path / "tiny.ckpt").shapes == read_header(file).shapes
    assert np.abs(picture(tmp_path / "tiny.ckpt") - picture(file)).max() <= 1


class Malicious:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("it-ran"),)


def test_a_malicious_pickle_runs_nothing(family: tuple[str, Path, Path]) -> None:
    _, _, file = family
    torch.save({"state_dict": load_file(file), "extra": Malicious()}, "bad.ckpt")
    with pytest.raises(ModelError, match="holds more than tensors"):
        find("bad.ckpt")
    assert not Path("it-ran").exists()
