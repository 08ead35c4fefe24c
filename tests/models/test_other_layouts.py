"""Checkpoints as other programs leave them: below a root, in scaled fp8, of other pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import write_family
from quick import slow
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.weights.convert import to_single_file
from sdcli.errors import ModelError
from sdcli.models import find
from sdcli.models.describe import model_facts
from sdcli.request import GenerationRequest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("layouts") / "sd1", "sd1")


@pytest.fixture(scope="module")
def tensors(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Those of a single file."""
    path = tmp_path_factory.mktemp("single") / "sd1.safetensors"
    to_single_file(find(str(folder)), path)
    return load_file(path)


@pytest.fixture(autouse=True)
def _tokenizer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of CLIP's, which is on the hub."""
    monkeypatch.setattr("sdcli.models.single_file.tokenizer", lambda **_: folder / "tokenizer")


def picture(path: Path) -> np.ndarray:
    request = GenerationRequest(prompt="a fox", seed=1, steps=2, width=64, height=64)
    return np.asarray(Engine.load(str(path), device="cpu").generate(request).image, np.int16)


@pytest.mark.parametrize("root", ["module.", slow("model."), slow("state_dict.")])
def test_what_stands_before_all_names_is_left_out(
    tensors: dict[str, Tensor], tmp_path: Path, root: str
) -> None:
    plain, below = tmp_path / "plain.safetensors", tmp_path / "below.safetensors"
    save_file(tensors, plain)
    save_file({root + name: tensor for name, tensor in tensors.items()}, below)
    assert model_facts(below)["model"] == model_facts(plain)["model"]
    assert np.array_equal(picture(below), picture(plain))


def test_clip_stands_without_its_inner_name_in_the_first_files(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    """As in NAI's and others that were converted with a transformers of before 4.2."""
    plain, bare = tmp_path / "plain.safetensors", tmp_path / "bare.safetensors"
    save_file(tensors, plain)
    save_file({name.replace(".text_model.", "."): t for name, t in tensors.items()}, bare)
    assert not any("text_model" in name for name in load_file(bare))
    assert np.array_equal(picture(bare), picture(plain))


# ComfyUI's `scale_weight`, with the marker `scaled_fp8`; others write `weight_scale`, some of them
# one for each row.
@pytest.mark.parametrize(
    ("ending", "rows"),
    [("scale_weight", False), slow("weight_scale", False), ("weight_scale", True)],
)
def test_fp8_is_multiplied_by_its_scale(
    tensors: dict[str, Tensor], tmp_path: Path, ending: str, rows: bool
) -> None:
    scaled: dict[str, Tensor] = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    wanted = {}
    for name, tensor in tensors.items():
        scaled[name] = wanted[name] = tensor
        if name.endswith(".weight") and tensor.ndim > 1 and "embedding" not in name:
            axes = tuple(range(1 if rows else 0, tensor.ndim))
            scale = tensor.abs().amax(axes, keepdim=True) / 448  # the greatest number of e4m3
            eighths = (tensor / scale).to(torch.float8_e4m3fn)
            scaled[name], wanted[name] = eighths, eighths.float() * scale
            shape = (len(tensor), *(1,) * (tensor.ndim - 1)) if rows else ()
            scaled[name.removesuffix("weight") + ending] = scale.reshape(shape)
    save_file(scaled, tmp_path / "scaled.safetensors")
    save_file({k: t.contiguous() for k, t in wanted.items()}, tmp_path / "wanted.safetensors")
    made, expected = (picture(tmp_path / f"{name}.safetensors") for name in ("scaled", "wanted"))
    assert np.abs(made - expected).max() <= 1
    assert expected.std() > 1


def copy_of(folder: Path, target: Path, name: str, **changes: Any) -> Path:
    """The folder, with keys of one of its JSON files changed; None takes one away."""
    for path in folder.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(path)
    content = json.loads((target / name).read_text()) | changes
    (target / name).unlink()
    kept = {key: value for key, value in content.items() if value is not None}
    (target / name).write_text(json.dumps(kept))
    return target


@pytest.mark.parametrize(
    "pipeline", ["StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipelineLegacy"]
)
def test_pipelines_of_the_same_networks_are_the_same_model(
    folder: Path, tmp_path: Path, pipeline: str
) -> None:
    copy = copy_of(folder, tmp_path / "copy", "model_index.json", _class_name=pipeline)
    assert find(str(copy)).family == find(str(folder)).family


@pytest.mark.parametrize(
    "changes",
    [
        {"text_encoder": [None, None]},
        {"text_encoder": None},
        {"requires_aesthetics_score": True},  # as Forge's copy has it, with the encoder renamed
    ],
    ids=str,
)
def test_an_sdxl_refiner_is_told_from_an_sdxl(
    folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """As stabilityai/stable-diffusion-xl-refiner-1.0 has it: one text encoder, the second."""
    copy = copy_of(
        folder,
        tmp_path / "copy",
        "model_index.json",
        _class_name="StableDiffusionXLImg2ImgPipeline",
        **changes,
    )
    with pytest.raises(ModelError, match="an SDXL refiner model"):
        find(str(copy))


def test_a_unet_that_is_told_its_guidance_is_refused(folder: Path, tmp_path: Path) -> None:
    """As SimianLuo/LCM_Dreamshaper_v7 has it; asked without, it would make another picture."""
    copy = copy_of(folder, tmp_path / "copy", "unet/config.json", time_cond_proj_dim=256)
    with pytest.raises(ModelError, match="time_cond_proj_dim") as caught:
        find(str(copy))
    assert "LCM's LoRA" in caught.value.hint


@pytest.mark.parametrize(
    ("part", "kind"), [("vae", "AutoencoderKL"), ("text_encoder", "CLIPTextModel")]
)
def test_a_component_is_told_from_a_model(folder: Path, part: str, kind: str) -> None:
    with pytest.raises(ModelError, match=rf"one component of a model \({kind}\)"):
        find(str(folder / part))


def test_a_vae_that_names_no_scale_has_diffusers_own(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "copy", "vae/config.json", scaling_factor=None)
    assert find(str(copy)).latents.scale == 0.18215
