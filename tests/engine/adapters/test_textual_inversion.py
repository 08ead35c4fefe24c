"""Textual inversions: in every format, at any place of a prompt, and only where they fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import clips
from safetensors.torch import save_file

from sdcli.engine import Engine
from sdcli.engine.adapters.textual_inversion import read_vectors
from sdcli.errors import ModelError
from sdcli.models import find
from sdcli.request import GenerationRequest

WIDTH = 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "embeddings").mkdir()
    return tmp_path


def engine(model: Path, folder: Path) -> Engine:
    return Engine.of(find(str(model)), device="cpu", folders=[folder])


def picture(engine: Engine, prompt: str, said: list[str] | None = None) -> np.ndarray:
    run = engine.start([GenerationRequest(prompt=prompt, seed=1, steps=2)], say=(said or []).append)
    for _ in run:
        pass
    return np.asarray(run.pictures()[0].image)


def vectors(count: int = 2) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(count))


def write(path: Path, form: str) -> None:
    if form == "a1111":
        content = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors()}, "step": 3}
        torch.save(content, path.with_suffix(".pt"))
    elif form == "parameters":
        held = torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors())})
        torch.save({"string_to_param": held, "name": "x"}, path.with_suffix(".pt"))
    elif form == "diffusers":
        torch.save({"<film>": vectors()}, path.with_suffix(".bin"))
    else:
        save_file({"emb_params": vectors()}, path.with_suffix(".safetensors"))


@pytest.mark.parametrize("form", ["a1111", "parameters", "diffusers", "safetensors"])
def test_every_format_gives_the_same_vectors(folder: Path, form: str) -> None:
    write(folder / "x", form)
    [path] = [path for path in folder.iterdir() if path.is_file()]
    [found] = read_vectors(path)
    assert torch.equal(found, vectors())


def test_a_word_stands_for_its_vectors(tiny_folder: Path, folder: Path) -> None:
    """The vectors of letters under a new name give those letters' picture."""
    plain = engine(tiny_folder, folder)
    clip = clips(plain)[0]
    letters = clip._model.get_input_embeddings().weight[clip._tokenizer.ids("xyz")]
    save_file({"emb_params": letters.clone()}, folder / "embeddings/film.safetensors")
    taught = engine(tiny_folder, folder)
    wanted = picture(plain, "a xyz fox")
    assert np.array_equal(picture(taught, "a FILM fox"), wanted)
    assert not np.array_equal(picture(plain, "a FILM fox"), wanted)


def test_one_that_has_no_room_begins_a_new_chunk(tiny_folder: Path, folder: Path) -> None:
    save_file({"emb_params": vectors(8)}, folder / "embeddings/film.safetensors")
    taught = engine(tiny_folder, folder)
    before = "a " * 70
    assert picture(taught, f"{before}film").shape == (64, 64, 3)
    assert taught.text_encoder(f"{before}film").context.shape[1] == 2 * 77
    assert taught.text_encoder(f"{'a ' * 67}film").context.shape[1] == 77


def test_one_for_another_family_is_plain_text(tiny_folder: Path, folder: Path) -> None:
    plain = picture(engine(tiny_folder, folder), "a film")
    save_file({"emb_params": torch.zeros(1, 768)}, folder / "embeddings/film.safetensors")
    said: list[str] = ["start"]
    assert np.array_equal(picture(engine(tiny_folder, folder), "a film", said), plain)
    assert "film is for another model family" in said[1]


class Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("it-ran"),)


def test_what_is_no_embedding_is_refused(tiny_folder: Path, folder: Path) -> None:
    torch.save({"string_to_param": Malicious()}, folder / "embeddings/film.pt")
    taught = engine(tiny_folder, folder)
    for _ in range(2):  # nor is it plain text the second time
        with pytest.raises(ModelError, match="cannot read the embedding"):
            picture(taught, "a film")
    assert not Path("it-ran").exists()
    (folder / "embeddings/film.pt").write_bytes(b"PK nothing")
    with pytest.raises(ModelError, match="cannot read the embedding"):
        picture(engine(tiny_folder, folder), "a film")
    torch.save({"step": 3}, folder / "embeddings/film.pt")
    with pytest.raises(ModelError, match="there is no embedding in"):
        picture(engine(tiny_folder, folder), "a film")
