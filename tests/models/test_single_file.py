"""Single files: the family, the shapes and the weights of a checkpoint in the original layout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.loaders import single_file_utils as theirs
from families import networks
from PIL import Image
from quick import slow
from safetensors.torch import load_file, save_file
from tiny import write_folder, write_tokenizer

from sdcli import Engine, GenerationRequest
from sdcli.engine.noise.streams import NvStream
from sdcli.engine.weights.components import empty, sources
from sdcli.engine.weights.convert import to_single_file
from sdcli.errors import ModelError
from sdcli.models import find, single_file
from sdcli.models.families import family_named
from sdcli.models.header import read_header
from sdcli.models.roles import TEXT_ENCODERS


@cache
def picture(model: Path, **changes: Any) -> np.ndarray:
    request = GenerationRequest(prompt="a fox", seed=1, steps=3, width=64, height=64, **changes)
    return np.asarray(Engine.load(str(model), device="cpu").generate(request).image, np.int16)


@pytest.fixture
def single(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model as one file."""
    monkeypatch.setattr(single_file, "tokenizer", lambda **_: tiny_folder / "tokenizer")
    to_single_file(find(str(tiny_folder)), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_a_single_file_makes_the_folders_picture(tiny_folder: Path, single: Path) -> None:
    assert np.abs(picture(single) - picture(tiny_folder)).max() <= 1


@pytest.fixture(
    scope="module",
    params=["sd1", slow("sd2"), slow("sdxl")],
)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path, Path]]:
    """(name, folder, single file as its makers write it: nothing but tensors)."""
    root = tmp_path_factory.mktemp("family")
    folder, file = root / "folder", root / "single.safetensors"
    torch.manual_seed(5)
    openclip = "!" if request.param == "sd2" else "<|endoftext|>"
    vocabulary = write_tokenizer(folder / "tokenizer", pad=openclip)
    if request.param == "sdxl":
        write_tokenizer(folder / "tokenizer_2", pad="!")
    write_folder(folder, networks(request.param, vocabulary))
    model = find(str(folder))
    to_single_file(replace(model, family=family_named(request.param)), file)
    save_file(load_file(file), file)  # without the metadata
    with pytest.MonkeyPatch.context() as patch:  # in the place of CLIP's, which is on the hub
        patch.setattr(single_file, "tokenizer", lambda **_: folder / "tokenizer")
        yield request.param, folder, file


def test_the_family_and_its_shapes_are_told_by_the_tensors(family: tuple[str, Path, Path]) -> None:
    name, folder, file = family
    found, known = find(str(file)), find(str(folder))
    assert found.family.name == name
    for part, config in found.configs.items():
        for key, value in config.items():
            wanted = known.configs[part][key]
            if key == "transformer_layers_per_block" and isinstance(wanted, int):
                assert set(value) == {wanted}
            else:
                assert wanted == (list(value) if isinstance(value, tuple) else value), (part, key)


def test_it_makes_the_folders_picture(family: tuple[str, Path, Path]) -> None:
    _, folder, file = family
    assert np.abs(picture(file) - picture(folder)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("negative", ["", "blue"])
@pytest.mark.parametrize("family", ["sdxl"], indirect=True)
def test_sdxl_equals_diffusers_own_pipeline(family: tuple[str, Path, Path], negative: str) -> None:
    """Both encoders, the summary, the sizes, and zeros for an empty negative prompt."""
    _, folder, file = family
    request = GenerationRequest(
        prompt="a fox",
        negative_prompt=negative,
        sampler="Euler",
        steps=6,
        cfg_scale=5,
        seed=5,
        width=64,
        height=96,
    )
    ours = np.asarray(Engine.load(str(file), device="cpu").generate(request).image, np.int16)
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace", steps_offset=0
    )
    theirs_picture = pipeline(
        "a fox",
        negative_prompt=negative or None,
        num_inference_steps=6,
        guidance_scale=5,
        width=64,
        height=96,
        latents=NvStream(5).next((1, 4, 12, 8)),
    ).images[0]
    assert np.abs(ours - np.asarray(theirs_picture, np.int16)).max() <= 2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "sdxl"], indirect=True)
def test_an_inpainting_model_is_told_of_a_grey_picture_all_masked(
    family: tuple[str, Path, Path], tmp_path: Path
) -> None:
    """As A1111 does without a picture: then diffusers' own pipeline says the same."""
    which, _, _ = family
    folder, file = tmp_path / "folder", tmp_path / "single.safetensors"
    vocabulary = write_tokenizer(folder / "tokenizer")
    if which == "sdxl":
        write_tokenizer(folder / "tokenizer_2", pad="!")
    write_folder(folder, networks(which, vocabulary, channels=9), inpainting=True)
    to_single_file(find(str(folder)), file)
    save_file(load_file(file), file)
    assert find(str(file)).family.name == f"{which}-inpainting"
    ours = picture(file, sampler="Euler", cfg_scale=3)
    assert np.abs(ours - picture(folder, sampler="Euler", cfg_scale=3)).max() <= 1

    kind = StableDiffusionXLInpaintPipeline if which == "sdxl" else StableDiffusionInpaintPipeline
    pipeline = kind.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace", steps_offset=0
    )
    # What a random VAE makes of one grey is mostly rounding: both must round alike.
    pipeline.vae.to(memory_format=torch.channels_last)
    vae, scale = pipeline.vae, pipeline.vae.config.scaling_factor
    with torch.inference_mode():
        under = vae.encode(torch.zeros(1, 3, 64, 64)).latent_dist.mean * scale
    wanted = pipeline(
        "a fox",
        image=Image.new("RGB", (64, 64), (128, 128, 128)),
        mask_image=Image.new("L", (64, 64), 255),
        num_inference_steps=3,
        guidance_scale=3,
        strength=1.0,
        width=64,
        height=64,
        masked_image_latents=under,
        latents=NvStream(1).next((1, 4, 8, 8)),
    ).images[0]
    assert np.abs(ours - np.asarray(wanted, np.int16)).max() <= 3


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd2"], indirect=True)
def test_whether_stable_diffusion_2_predicts_v_is_told_by_its_answer(
    family: tuple[str, Path, Path], tmp_path: Path
) -> None:
    _, _, file = family
    assert Engine.load(str(file), device="cpu").model.prediction == "epsilon"
    tensors = load_file(file)
    tensors["model.diffusion_model.out.2.bias"] -= 3
    save_file(tensors, tmp_path / "v.safetensors")
    found = Engine.load(str(tmp_path / "v.safetensors"), device="cpu").model
    assert (found.prediction, found.native_size) == ("v_prediction", 768)


def test_the_weights_are_those_that_diffusers_reads(family: tuple[str, Path, Path]) -> None:
    """Bit for bit, by its own converters."""
    _, _, file = family
    model, tensors = find(str(file)), load_file(file)
    wanted = {
        "unet": theirs.convert_ldm_unet_checkpoint(dict(tensors), model.configs["unet"]),
        "vae": theirs.convert_ldm_vae_checkpoint(dict(tensors), model.configs["vae"]),
    }
    for part, encoder in zip(TEXT_ENCODERS, model.family.encoders, strict=False):
        text = empty(model, part)
        wanted[part] = (
            theirs.convert_ldm_clip_checkpoint(dict(tensors))
            if encoder.kind == "clip"
            else theirs.convert_open_clip_checkpoint(text, dict(tensors), f"{encoder.prefix}model.")
        )
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


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1"], indirect=True)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_other_number_formats_are_read(
    family: tuple[str, Path, Path], tmp_path: Path, dtype: torch.dtype
) -> None:
    """As the nearest numbers that the format holds; norms and biases are kept, as fp8 files do."""
    _, _, file = family
    kept = {key: t.to(dtype) if t.ndim > 1 else t for key, t in load_file(file).items()}
    save_file(kept, tmp_path / "a.safetensors")
    save_file({key: t.float() for key, t in kept.items()}, tmp_path / "b.safetensors")
    pictures = [picture(tmp_path / f"{which}.safetensors") for which in "ab"]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.slow
def test_averaged_weights_beside_the_others_are_left_alone(
    family: tuple[str, Path, Path], tmp_path: Path
) -> None:
    _, _, file = family
    tensors = load_file(file)
    averaged = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): torch.zeros_like(tensor)
        for name, tensor in tensors.items()
        if name.startswith("model.diffusion_model.")
    }
    save_file({**tensors, **averaged}, tmp_path / "ema.safetensors")
    assert np.array_equal(picture(tmp_path / "ema.safetensors"), picture(file))


def test_what_a_training_left_in_a_checkpoint_is_passed_over(
    family: tuple[str, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in CompVis's sd-v1-4.ckpt, and in VAEs that were trained with Lightning (kl-f8-anime2)."""
    _, _, file = family
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module: Any = ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})
    best = {"best_model_score": torch.tensor(0.1), "best_model_path": "epoch=1.ckpt"}
    with monkeypatch.context() as patch:
        for place in ("pytorch_lightning", "pytorch_lightning.callbacks"):
            patch.setitem(sys.modules, place, ModuleType(place))
        patch.setitem(sys.modules, name, module)
        content = {
            "epoch": 1,
            "global_step": np.int64(470000),
            "pytorch-lightning_version": "1.4.2",
            "state_dict": load_file(file),
            "callbacks": {module.ModelCheckpoint: best},
            "lr_schedulers": [np.ones(2), module.ModelCheckpoint()],
        }
        torch.save(content, tmp_path / "trained.ckpt")
    assert np.abs(picture(tmp_path / "trained.ckpt") - picture(file)).max() <= 1


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
