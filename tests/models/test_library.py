"""Model folders: A1111's, ComfyUI's and plain ones; names and hashes that find a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from PIL import Image
from safetensors.numpy import save_file

from sdcli import models
from sdcli.errors import ModelError
from sdcli.images.formats import encode
from sdcli.models import hashes
from sdcli.models.embedding_names import in_texts
from sdcli.models.library import library, named


def weights(path: Path, *, fill: float = 0.0) -> Path:
    """A file that begins like a checkpoint of Stable Diffusion 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "model.diffusion_model.input_blocks.0.0.weight": np.full((8, 4, 3, 3), fill, "f2"),
            "cond_stage_model.transformer.text_model.final_layer_norm.weight": np.ones(8, "f2"),
        },
        path,
    )
    return path


@pytest.fixture
def a1111(tmp_path: Path) -> Path:
    """A web UI's folder."""
    root = tmp_path / "webui"
    weights(root / "models/Stable-diffusion/v1-5.safetensors")
    weights(root / "models/Stable-diffusion/anime/Any Thing.safetensors", fill=1)
    weights(root / "models/Stable-diffusion/v1-5.vae.safetensors")
    weights(root / "models/VAE/good.safetensors")
    weights(root / "models/Lora/style.safetensors")
    weights(root / "embeddings/bad-hands.safetensors")
    (root / "models/Stable-diffusion/readme.txt").write_text("no weights")
    return root


@pytest.mark.parametrize("inside", ["", "models"])
def test_a1111s_folder_is_understood(a1111: Path, inside: str) -> None:
    folders = [a1111 / inside]
    titles = [item.title for item in library(folders, "checkpoint")]
    assert titles == ["anime/Any Thing.safetensors", "v1-5.safetensors"]
    assert [item.name for item in library(folders, "vae")] == ["good"]
    assert [item.name for item in library(folders, "lora")] == ["style"]


def test_comfyuis_folder_is_understood(tmp_path: Path) -> None:
    weights(tmp_path / "models/checkpoints/sd15.safetensors")
    weights(tmp_path / "models/loras/deep/er/style.safetensors")
    assert [item.name for item in library([tmp_path], "checkpoint")] == ["sd15"]
    assert [item.title for item in library([tmp_path], "lora")] == ["deep/er/style.safetensors"]
    assert library([tmp_path], "vae") == []


def test_a_plain_folder_holds_checkpoints(tmp_path: Path) -> None:
    weights(tmp_path / "a.safetensors")
    (tmp_path / "diffusers/unet").mkdir(parents=True)
    (tmp_path / "diffusers/model_index.json").write_text("{}")
    weights(tmp_path / "diffusers/unet/weights.safetensors")
    assert {item.name for item in library([tmp_path], "checkpoint")} == {"a", "diffusers"}


def test_links_that_go_round_end(tmp_path: Path) -> None:
    weights(tmp_path / "a.safetensors")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [item.name for item in library([tmp_path], "checkpoint")] == ["a"]


@pytest.mark.parametrize(
    "name",
    [
        "Any Thing",
        "any thing",
        "anime/Any Thing.safetensors",
        "anime/Any Thing",
        "anime_Any Thing",
    ],
)
def test_names_find_what_a1111_finds(a1111: Path, name: str) -> None:
    found = named(name, library([a1111], "checkpoint"))
    assert found is not None
    assert found.name == "Any Thing"


def test_hashes_find_it_too(a1111: Path) -> None:
    file = a1111 / "models/Stable-diffusion/anime/Any Thing.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for name in (digest[:10], digest, f"Any Thing [{digest[:10]}]"):
        found = named(name, library([a1111], "checkpoint"))
        assert found is not None
        assert found.path == file
    assert named("0123456789", library([a1111], "checkpoint")) is None
    assert named(f"v1-5 [{digest[:10]}]", library([a1111], "checkpoint")) is None


def test_the_legacy_hash_is_of_64_kib_after_the_first_mib(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "x.ckpt").write_bytes(data)
    wanted = hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]
    assert hashes.legacy(tmp_path / "x.ckpt") == wanted


def test_a_name_of_two_is_refused(a1111: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    weights(other / "v1-5.safetensors", fill=2)
    with pytest.raises(ModelError, match="several files are called v1-5"):
        models.locate("v1-5", [a1111, other])


def test_an_unknown_name_tells_the_nearest(a1111: Path) -> None:
    with pytest.raises(ModelError) as caught:
        models.locate("v1-4", [a1111])
    assert "'v1-5'" in caught.value.hint


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its size or its time changes."""
    path = weights(tmp_path / "a.safetensors")
    first = hashes.sha256(path)
    assert first == hashlib.sha256(path.read_bytes()).hexdigest() == hashes.remembered(path)
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert hashes.sha256(path) == first
    weights(path, fill=3)
    assert hashes.remembered(path) is None
    assert hashes.sha256(path) != first


def test_a_spoilt_memory_is_made_anew(tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors")
    hashes.sha256(path)
    hashes._Known._path().write_text("{")
    assert hashes.sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_list_tells_what_is_there(sdcli: Any, a1111: Path) -> None:
    result = sdcli("models", "list", "--models-dir", str(a1111))
    assert result.code == 0
    rows = [line.split("\t") for line in result.lines]
    assert rows[0] == ["NAME", "KIND", "MODEL", "SIZE", "HASH"]
    assert ["v1-5", "checkpoint", "Stable Diffusion 1"] in [row[:3] for row in rows]
    assert ["style", "lora"] in [row[:2] for row in rows]
    only = sdcli("models", "list", "--models-dir", str(a1111), "--kind", "vae", "--json")
    assert [json.loads(line)["name"] for line in only.lines] == ["good"]


def test_a_folder_of_nothing_but_embeddings_is_looked_in_too(
    sdcli: Any, engine: FakeEngine, tmp_path: Path
) -> None:
    """Files of it are embeddings wherever they lie, and no folder name is asked for."""
    word = weights(tmp_path / "words/old/film.safetensors")
    options = ("--embeddings-dir", str(tmp_path / "words"))
    assert sdcli("gen", "a fox, film", *options, "-o", "x.png").code == 0
    assert hashlib.sha256(word.read_bytes()).hexdigest()[:12] in sdcli("info", "x.png").out
    sdcli("config", "set", "embeddings_dir", str(tmp_path / "words"))
    rows = [line.split("\t")[:2] for line in sdcli("models", "list").lines]
    assert rows == [["NAME", "KIND"], ["film", "embedding"]]
    wrong = sdcli("gen", "a fox", "--embeddings-dir", "nowhere")
    assert (wrong.code, wrong.lines) == (2, [])
    assert "--embeddings-dir: there is no folder nowhere" in wrong.err


def test_hash_prints_all_three(sdcli: Any, a1111: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCLI_MODELS_DIR", str(a1111))
    result = sdcli("models", "hash", "v1-5")
    ten, eight, whole, path = result.lines[0].split("\t")
    assert whole == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert (ten, len(eight)) == (whole[:10], 8)
    assert ten in sdcli("models", "list").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list"], "no models folder is set"),
        (["list", "--models-dir", "nowhere"], "there is no folder nowhere"),
        (["dirs", "--models-dir", "nowhere"], "there is no folder nowhere"),
        (["list", "--models-dir", ".", "--kind", "car"], "unknown kind 'car'"),
        (["info", "nothing"], "there is no file or folder nothing"),
        (["hash", "builtin"], "is a folder"),
        (["pull", "nothing"], "'nothing' is not a hub id"),
        (["convert", "builtin", "x.ckpt"], "neither a .safetensors file nor a folder"),
        (["convert", "builtin", "x/", "--dtype", "fp8"], "must be fp16, bf16 or fp32"),
    ],
)
def test_what_cannot_be_is_refused(sdcli: Any, arguments: list[str], message: str) -> None:
    result = sdcli("models", *arguments)
    assert result.code == 2
    assert message in result.err
    assert list(Path().iterdir()) == []


def test_the_pictures_text_has_the_hashes(
    sdcli: Any, engine: FakeEngine, a1111: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A1111's keys: LoRAs by their weights alone, embeddings by the whole file."""
    lora = a1111 / "models/Lora/style.safetensors"
    word = a1111 / "embeddings/bad-hands.safetensors"
    monkeypatch.setenv("SDCLI_MODELS_DIR", str(a1111))
    assert sdcli("gen", "a fox <lora:style:0.5>", "-n", "Bad-Hands", "-o", "x.png").code == 0
    data = lora.read_bytes()
    weights_alone = data[8 + int.from_bytes(data[:8], "little") :]
    text = sdcli("info", "x.png", "--json").out
    assert f"style: {hashlib.sha256(weights_alone).hexdigest()[:12]}" in text
    assert f"bad-hands: {hashlib.sha256(word.read_bytes()).hexdigest()[:12]}" in text


def test_a_lora_that_says_its_hash_is_believed(tmp_path: Path) -> None:
    save_file({"x": np.zeros(2)}, tmp_path / "a.safetensors", {"sshs_model_hash": "ab" * 32})
    assert hashes.of_weights(tmp_path / "a.safetensors") == "ab" * 6


@pytest.mark.parametrize(
    ("name", "text", "stands"),
    [
        ("art", "party, Art", True),
        ("art", "party", False),
        ("art", "art2", True),
        ("v2", "xv2", False),
        ("v2", "v23", True),
        ("bad (v2)", r"a bad \(v2\)", True),
        ("<film>", "a <FILM> look", True),
        ("<film>", "a <<film>", False),
    ],
)
def test_an_embeddings_name_stands_where_the_tokenizer_parts_it(
    name: str, text: str, stands: bool
) -> None:
    assert in_texts([name], ["nothing", text]) == ([name] if stands else [])


def test_a_renamed_model_is_found_by_its_hash(a1111: Path) -> None:
    path = a1111 / "models/Stable-diffusion/anime/Any Thing.safetensors"
    for digest in (hashes.sha256(path)[:10], hashes.legacy(path)):
        said: list[str] = []
        assert models.locate("old name", [a1111], digest=digest, say=said.append) == path
        assert said == [
            f"model old name is called anime/Any Thing.safetensors here: its hash is {digest}"
        ]


def test_the_hash_decides_between_files_of_one_name(a1111: Path) -> None:
    renamed = a1111 / "models/Stable-diffusion/anime/Any Thing.safetensors"
    meant = hashes.sha256(renamed)[:10]
    assert models.locate("v1-5", [a1111], digest=meant) == renamed


def test_another_file_of_that_name_is_told(a1111: Path) -> None:
    said: list[str] = []
    found = models.locate("v1-5", [a1111], digest="0123456789", say=said.append)
    assert found == a1111 / "models/Stable-diffusion/v1-5.safetensors"
    assert said == ["v1-5.safetensors is not the same model v1-5: its hash is not 0123456789"]


def test_a_picture_is_made_again_with_a_model_that_was_renamed(
    sdcli: Any, engine: FakeEngine, a1111: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a1111 / "models/Stable-diffusion/v1-5.safetensors"
    asked: list[dict[str, Any]] = []

    def find(model: str, **more: Any) -> Any:
        asked.append({"model": model, **more})
        return engine.model

    monkeypatch.setattr(models, "find", find)
    digest = hashes.sha256(path)[:10]
    text = f"a fox\\nSteps: 20, Seed: 1, Size: 64x64, Model hash: {digest}, Model: gone"
    Path("old.png").write_bytes(encode(Image.new("RGB", (64, 64)), text, "png", quality=1))
    assert sdcli("again", "old.png", "--models-dir", str(a1111)).code == 0
    assert sdcli("again", "old.png", "-m", "other").code == 0
    assert [(each["model"], each["digest"]) for each in asked] == [("gone", digest), ("other", "")]
