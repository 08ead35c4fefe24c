"""A VAE in the place of a model's own: by path, by name, and by A1111's rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from quick import slow
from safetensors.torch import load_file, save_file
from tiny import write_tiny_model

from sdcli.engine import Engine
from sdcli.engine.weights.convert import to_single_file
from sdcli.errors import ModelError, UsageError
from sdcli.models import Model, find
from sdcli.models.key_mapping import VAE
from sdcli.models.vae import with_vae
from sdcli.request import GenerationRequest


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two tiny models as single files, which differ in all weights."""
    root = tmp_path_factory.mktemp("vae")
    for name, seed in (("one", 0), ("two", 1)):
        to_single_file(
            find(str(write_tiny_model(root / name, seed=seed))), root / f"{name}.safetensors"
        )
    return root / "one.safetensors", root / "two.safetensors"


def vae_of(path: Path) -> dict[str, torch.Tensor]:
    """The VAE's tensors of a single file, bare."""
    tensors = load_file(path)
    return {name.removeprefix(VAE): t for name, t in tensors.items() if name.startswith(VAE)}


def picture(model: Model) -> np.ndarray:
    request = GenerationRequest(prompt="a", seed=1, steps=2)
    return np.asarray(Engine.of(model, device="cpu").generate(request).image, np.int16)


def wanted(one: Path, two: Path, tmp_path: Path) -> np.ndarray:
    """The first model's picture with the second's VAE, put into one file by hand."""
    other = load_file(two)
    mixed = {name: other[name] if name.startswith(VAE) else t for name, t in load_file(one).items()}
    told = find(str(one)).header
    assert told is not None
    save_file(mixed, tmp_path / "mixed.safetensors", dict(told.metadata))
    return picture(find(str(tmp_path / "mixed.safetensors")))


@pytest.mark.parametrize("layout", ["bare", slow("prefixed"), slow("diffusers")])
def test_it_takes_the_models_own_ones_place(
    two: tuple[Path, Path], tmp_path: Path, layout: str
) -> None:
    one, other = two
    path = tmp_path / "other.safetensors"
    if layout == "diffusers":
        path = other.with_suffix("") / "vae" / "diffusion_pytorch_model.safetensors"
    else:
        prefix = VAE if layout == "prefixed" else ""
        save_file({prefix + name: tensor for name, tensor in vae_of(other).items()}, path)
    model = find(str(one))
    found = picture(with_vae(model, str(path)))
    assert np.array_equal(found, wanted(one, other, tmp_path))
    assert not np.array_equal(found, picture(model))


# stabilityai/sd-vae-ft-mse and the VAE of stable-diffusion-v1-5 (saved by diffusers 0.6) name the
# parts of their attention so, with weights [512, 512]; files made before that keep the 1×1
# convolutions of the original layout, [512, 512, 1, 1].
FIRST_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.mark.parametrize("convolutions", [slow(False), True])
@pytest.mark.parametrize("place", ["its folder", "--vae"])
def test_an_attention_by_its_first_names_is_read(
    tmp_path: Path, place: str, convolutions: bool
) -> None:
    folder = write_tiny_model(tmp_path / "model")
    expected = picture(find(str(folder)))
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    renamed = {}
    for name, tensor in load_file(file).items():
        for ours, first in FIRST_NAMES.items():
            if f".attentions.0.{ours}." in name:
                name = name.replace(f".{ours}.", f".{first}.")
                if convolutions and tensor.ndim == 2:
                    tensor = tensor[:, :, None, None]
        renamed[name] = tensor.contiguous()
    assert sum(".proj_attn." in name for name in renamed) == 4
    old = file if place == "its folder" else tmp_path / "old.safetensors"
    save_file(renamed, old)
    model = find(str(folder))
    model = model if place == "its folder" else with_vae(model, str(old))
    assert np.array_equal(picture(model), expected)


def test_automatic_is_the_one_named_after_the_model(two: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = two
    checkpoint = tmp_path / "models/Stable-diffusion/one.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(one.read_bytes())
    model = find(str(checkpoint))
    assert with_vae(model, "automatic", folders=[tmp_path]).vae is None
    (tmp_path / "models/VAE").mkdir()
    save_file(vae_of(other), tmp_path / "models/VAE/one-better.safetensors")
    save_file(vae_of(other), tmp_path / "models/VAE/another.safetensors")
    said: list[str] = []
    found = with_vae(model, "automatic", folders=[tmp_path], say=said.append).vae
    assert found is not None
    assert found.path.name == "one-better.safetensors"
    assert "one-better" in said[0]
    save_file(vae_of(other), checkpoint.with_name("one.vae.safetensors"))
    beside = with_vae(model, "automatic", folders=[tmp_path]).vae
    assert beside is not None
    assert beside.path.name == "one.vae.safetensors"
    assert with_vae(model, "own", folders=[tmp_path]).vae is None
    by_name = with_vae(model, "another", folders=[tmp_path]).vae
    assert by_name is not None
    assert by_name.path.name == "another.safetensors"


def test_what_is_no_vae_for_it_is_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = two
    model = find(str(one))
    with pytest.raises(ModelError, match="there is no file nothing"):
        with_vae(model, "nothing")
    save_file({"lora_up.weight": torch.zeros(2)}, tmp_path / "lora.safetensors")
    with pytest.raises(ModelError, match="is a LoRA"):
        with_vae(model, str(tmp_path / "lora.safetensors"))
    (tmp_path / "cut.safetensors").write_bytes(other.read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged"):
        with_vae(model, str(tmp_path / "cut.safetensors"))
    wide = {**model.configs["vae"], "latent_channels": 16}
    wide_model = replace(model, configs={**model.configs, "vae": wide})
    with pytest.raises(ModelError, match="for latents of 4 channels"):
        with_vae(wide_model, str(other))


def test_a_request_for_another_vae_than_the_loaded_one_is_refused(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    one, other = two
    path = tmp_path / "other.safetensors"
    save_file(vae_of(other), path)
    wish = GenerationRequest(prompt="a", seed=1, steps=2, vae=str(path))
    with pytest.raises(UsageError, match="was not loaded with"):
        Engine.load(str(one), device="cpu").generate(wish)
    loaded = Engine.load(str(one), device="cpu", vae=str(path))
    assert np.array_equal(
        np.asarray(loaded.generate(wish).image, np.int16), wanted(one, other, tmp_path)
    )
    with pytest.raises(UsageError, match="was not loaded with own"):
        loaded.generate(GenerationRequest(prompt="a", seed=1, steps=2, vae="own"))
    loaded.generate(GenerationRequest(prompt="a", seed=1, steps=2, vae="Automatic"))
