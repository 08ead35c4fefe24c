"""Loading: what is wrong with a model's files is told in one line, before or instead of weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sdcli.engine import Engine
from sdcli.engine.device import Placement, choose, counts_in_bf16, prepare
from sdcli.errors import ModelError, UsageError
from sdcli.models import find


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def cut(path: Path) -> None:
    """Leave the first half."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def write(text: bytes) -> object:
    """Replace the content."""
    return lambda path: path.write_bytes(text)


UNET = "unet/diffusion_pytorch_model.safetensors"

DAMAGE = [
    pytest.param("model_index.json", Path.unlink, "no model_index.json", id="no index"),
    pytest.param("model_index.json", write(b"{"), "cannot read", id="index is no JSON"),
    pytest.param("model_index.json", write(b"[]"), "is not a JSON object", id="index is a list"),
    pytest.param("unet/config.json", Path.unlink, "config.json is missing", id="no config"),
    pytest.param(UNET, Path.unlink, "holds no weights", id="no weights"),
    pytest.param(UNET, cut, "damaged, or not a safetensors file", id="weights cut short"),
    pytest.param(UNET, write(b"PK\x03\x04zip"), "damaged, or was not saved by torch", id="a zip"),
    pytest.param(UNET, write(b""), "is empty", id="empty"),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGE)
def test_a_damaged_folder_is_told(copy: Path, name: str, damage: object, message: str) -> None:
    damage(copy / name)  # type: ignore[operator]
    with pytest.raises(ModelError) as caught:
        find(str(copy))
    assert message in caught.value.message
    assert str(copy) in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGE[:1] + DAMAGE[5:7])
def test_it_is_told_before_torch_is_imported(
    copy: Path, name: str, damage: object, message: str
) -> None:
    damage(copy / name)  # type: ignore[operator]
    script = (
        "import sys; from sdcli.cli import run; code = run(sys.argv[1:]);"
        "print('torch' in sys.modules, code, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "gen", "a", "-m", str(copy)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "False 2"
    assert message in done.stderr
    assert done.stdout == ""
    assert not list(Path().iterdir())


@pytest.mark.parametrize("pipeline", ["StableDiffusion3Pipeline", "FluxPipeline", "NewPipeline"])
def test_other_pipelines_are_refused_by_name(copy: Path, pipeline: str) -> None:
    path = copy / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": pipeline}))
    with pytest.raises(ModelError, match=f"is for diffusers' {pipeline}"):
        find(str(copy))


def test_weights_that_do_not_fit_their_config_are_refused(copy: Path) -> None:
    """No layer may silently keep random numbers."""
    path = copy / "text_encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 3}))
    with pytest.raises(ModelError, match="16 tensors are missing"):
        Engine.load(str(copy), device="cpu")


@pytest.mark.parametrize(
    ("part", "change"),
    [("text_encoder", {"intermediate_size": 48}), ("unet", {"layers_per_block": 2})],
)
def test_weights_of_another_shape_are_refused(
    copy: Path, part: str, change: dict[str, int]
) -> None:
    path = copy / part / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=f"/{part}"):
        Engine.load(str(copy), device="cpu")


def test_a_tokenizer_without_a_vocabulary_is_refused(copy: Path) -> None:
    shutil.rmtree(copy / "tokenizer")
    (copy / "tokenizer").mkdir()
    (copy / "tokenizer" / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer"):
        Engine.load(str(copy), device="cpu")


def test_half_precision_files_alone_are_taken(copy: Path) -> None:
    for path in copy.glob("*/*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    assert Engine.load(str(copy), device="cpu").model.native_size == 64


def test_a_hub_id_offline_and_unknown_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="not in the cache and sdcli is offline"):
        find("nobody/nothing-at-all", offline=True)


def test_auto_on_a_cpu_is_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    placement = choose("auto", "auto")
    assert (placement.device.type, placement.dtype_name) == ("cpu", "fp32")
    assert choose("cpu", "bf16").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps")],
)
def test_auto_prefers_cuda_then_mps_in_fp16(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    placement = choose("auto", "auto")
    assert (placement.device.type, placement.dtype) == (chosen, torch.float16)


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="an older torch")
def test_a_card_multiplies_float32_as_a1111_lets_it() -> None:
    backends: Any = torch.backends
    places = [backends.cuda.matmul, backends.cudnn.conv]

    def precisions(*wanted: str) -> list[str]:
        for place, precision in zip(places, wanted, strict=False):
            place.fp32_precision = precision
        return [place.fp32_precision for place in places]

    before = precisions()
    try:
        usual = precisions("ieee", "ieee")
        prepare(Placement(torch.device("cpu"), torch.float32))
        assert precisions() == usual
        prepare(Placement(torch.device("cuda"), torch.float16))
        assert precisions() == ["tf32", "tf32"]
    finally:
        precisions(*before)


def test_bf16_pays_where_fp32_was_asked_of_a_cpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    able: dict[str, bool] = {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    exact, coarse = (
        Placement(torch.device("cpu"), dtype) for dtype in (torch.float32, torch.bfloat16)
    )
    assert not counts_in_bf16(exact)
    for name in ("avx512_bf16", "amx_bf16"):
        able.clear()
        able[name] = True
        assert counts_in_bf16(exact)
        assert not counts_in_bf16(coarse)
        assert not counts_in_bf16(Placement(torch.device("mps"), torch.float32))


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="cannot use cuda:1") as caught:
        choose("cuda:1", "auto")
    assert "cpu" in caught.value.hint


def test_an_unreachable_hub_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="no folder nobody/nothing here and the hub cannot be"):
        find("nobody/nothing")


def test_a_cached_hub_model_needs_no_network(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache's own layout: a snapshot folder that a branch points at."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    store = tmp_path / "hub" / "models--some--model"
    (store / "refs").mkdir(parents=True)
    (store / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny_folder, store / "snapshots" / ("0" * 40))
    assert find("some/model").native_size == 64
    assert find("some/model", offline=True).name == "some/model"


@pytest.mark.parametrize(
    ("settings", "greatest"),
    [
        pytest.param({}, 14.614643, id="as it is"),
        pytest.param({"rescale_betas_zero_snr": True}, 4518.7637, id="zero terminal SNR"),
        pytest.param({"beta_schedule": "squaredcos_cap_v2"}, 20291.17, id="squared cosine"),
        pytest.param({"beta_schedule": "linear", "beta_end": 0.02}, 190.1219, id="linear"),
    ],
)
def test_the_noise_levels_are_those_of_the_models_own_file(
    copy: Path, settings: dict[str, object], greatest: float
) -> None:
    file = copy / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    assert find(str(copy)).table.sigma_max == pytest.approx(greatest, rel=1e-4)
