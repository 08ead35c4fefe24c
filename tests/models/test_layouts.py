"""Every family in every layout that people have makes, through the command line, one picture.

The other layouts are made from a folder by `sdcli models convert`. A pickle and a file with its VAE
beside it, which it does not write, hold nothing but the same tensors, as their makers write them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from families import TINY, write_family
from PIL import Image
from quick import slow
from safetensors.torch import load_file, save_file

from sdcli.cli import run
from sdcli.models import find, single_file
from sdcli.models.families import family_named
from sdcli.models.key_mapping import VAE

FAMILIES = pytest.mark.parametrize(
    "family",
    ["sd1", *(slow(name) for name in TINY if name != "sd1")],
    indirect=True,
)


@pytest.fixture(scope="module")
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Its name, and a folder of random weights."""
    return request.param, write_family(tmp_path_factory.mktemp("families"), request.param)


@pytest.fixture(autouse=True)
def _tokenizer(family: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of CLIP's, which is on the hub."""
    _, folder = family
    monkeypatch.setattr(single_file, "tokenizer", lambda **_: folder / "tokenizer")


def picture(model: Path, capsys: pytest.CaptureFixture[str], *options: str) -> np.ndarray:
    """What `sdcli gen` makes with it."""
    arguments = ["a fox", "--model", str(model), "--seed", "1", "--steps", "3", "--size", "64x64"]
    code = run(["gen", *arguments, *options])
    told = capsys.readouterr()
    assert code == 0, told.err
    with Image.open(told.out.strip()) as image:
        return np.asarray(image, np.int16)


def convert(model: Path, target: str, capsys: pytest.CaptureFixture[str], *options: str) -> Path:
    assert run(["models", "convert", str(model), target, *options]) == 0
    return Path(capsys.readouterr().out.strip())


def title(name: str) -> str:
    """What a file alone tells: whether a Stable Diffusion 2 predicts v does not stand in it."""
    return family_named("sd2" if name == "sd2-v" else name).title


@pytest.fixture
def wanted(family: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> np.ndarray:
    """What the folder makes."""
    _, folder = family
    if folder not in _MADE:
        _MADE[folder] = picture(folder, capsys)
    return _MADE[folder]


_MADE: dict[Path, np.ndarray] = {}


@FAMILIES
def test_a_single_file_and_the_folder_made_of_it(
    family: tuple[str, Path], wanted: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    name, folder = family
    single = convert(folder, "one.safetensors", capsys)
    assert find(str(single)).family.name == name
    assert np.abs(picture(single, capsys) - wanted).max() <= 1
    assert np.abs(picture(convert(single, "again/", capsys), capsys) - wanted).max() <= 1


@pytest.mark.slow
@FAMILIES
def test_a_file_of_nothing_but_tensors(
    family: tuple[str, Path],
    wanted: np.ndarray,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A pickle; and one without its VAE, which stands beside it as A1111 looks for it."""
    name, folder = family
    tensors = load_file(convert(folder, "one.safetensors", capsys))
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "pickled.ckpt")
    assert np.abs(picture(tmp_path / "pickled.ckpt", capsys) - wanted).max() <= 1
    own = {key: tensor for key, tensor in tensors.items() if key.startswith(VAE)}
    save_file({k: t for k, t in tensors.items() if k not in own}, tmp_path / "split.safetensors")
    save_file({k.removeprefix(VAE): t for k, t in own.items()}, tmp_path / "split.vae.safetensors")
    assert np.abs(picture(tmp_path / "split.safetensors", capsys) - wanted).max() <= 1
    assert run(["models", "info", str(tmp_path / "pickled.ckpt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == title(name)


@pytest.mark.slow
@FAMILIES
def test_half_precision(family: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A file and a folder of the same rounded weights."""
    _, folder = family
    single = convert(folder, "half.safetensors", capsys, "--dtype", "fp16")
    halves = convert(folder, "half/", capsys, "--dtype", "fp16")
    assert {str(tensor.dtype) for tensor in load_file(single).values() if tensor.numel()} == {
        "torch.float16"
    }
    assert np.abs(picture(single, capsys) - picture(halves, capsys)).max() <= 1


@pytest.mark.parametrize("family", ["sd1", slow("sdxl")], indirect=True)
def test_diffusers_reads_a_prompt_with_a_folder_made_here(
    family: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tokenizers fill up and cut to what the text encoders read."""
    _, folder = family
    made = convert(folder, "made/", capsys)
    pipeline = DiffusionPipeline.from_pretrained(made, local_files_only=True)
    embeddings = pipeline.encode_prompt(
        "a fox " * 100, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    assert embeddings[0].shape[1] == 77


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1"], indirect=True)
def test_a_file_without_a_vae_asks_for_one(
    family: tuple[str, Path],
    wanted: np.ndarray,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """By name or by path; what is made of both is whole."""
    _, folder = family
    tensors = load_file(convert(folder, "one.safetensors", capsys))
    bare, vae = tmp_path / "bare.safetensors", tmp_path / "kept" / "good.safetensors"
    vae.parent.mkdir()
    save_file({k: t for k, t in tensors.items() if not k.startswith(VAE)}, bare)
    save_file({k: t for k, t in tensors.items() if k.startswith(VAE)}, vae)
    for command in (["gen", "a fox", "-m"], ["gen", "a fox", "--vae", "own", "-m"]):
        assert run([*command, str(bare)]) == 2
        assert "has no VAE\n  give it one with --vae" in capsys.readouterr().err
    assert run(["models", "convert", str(bare), "bare/"]) == 2
    assert not Path("bare").exists()
    capsys.readouterr()
    assert np.abs(picture(bare, capsys, "--vae", str(vae)) - wanted).max() <= 1
    vae.rename(bare.with_name("bare.vae.safetensors"))
    whole = convert(bare, "whole.safetensors", capsys)
    assert np.abs(picture(whole, capsys) - wanted).max() <= 1
