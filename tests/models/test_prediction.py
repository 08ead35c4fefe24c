"""How a model predicts: told by its scheduler, tensors, metadata or .yaml; never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EDMEulerScheduler, StableDiffusionXLPipeline
from families import write_family
from quick import slow
from safetensors.torch import load_file, save_file
from tiny import write_tiny_model

from sdcli.engine import Engine
from sdcli.engine.noise.streams import NvStream
from sdcli.engine.weights.convert import to_folder, to_single_file
from sdcli.errors import ModelError, UsageError
from sdcli.models import find
from sdcli.models.describe import model_facts
from sdcli.request import GenerationRequest
from sdcli.sampling.paths import PATHS

# Of playgroundai/playground-v2.5-1024px-aesthetic: scheduler/scheduler_config.json and
# vae/config.json.
PLAYGROUND = {
    "_class_name": "EDMDPMSolverMultistepScheduler",
    "prediction_type": "epsilon",
    "sigma_data": 0.5,
    "sigma_max": 80.0,
    "sigma_min": 0.002,
}
STATISTICS: dict[str, Any] = {
    "scaling_factor": 0.5,
    "latents_mean": [-1.6574, 1.886, -1.383, 2.5155],
    "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
}
# What diffusers makes of stabilityai/cosxl, whose file has the ends of its range as tensors.
COSXL = {
    "_class_name": "EDMEulerScheduler",
    "prediction_type": "v_prediction",
    "sigma_data": 1.0,
    "sigma_max": 120.0,
    "sigma_min": 0.002,
}


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


SCHEDULER = "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("scheduler", "prediction"),
    [
        ({"prediction_type": "epsilon"}, "epsilon"),
        ({"prediction_type": "v_prediction"}, "v_prediction"),
        ({"prediction_type": "sample"}, "sample"),
        (PLAYGROUND, "edm"),
        (COSXL, "edm_v"),
    ],
    ids=str,
)
def test_a_folders_scheduler_tells(
    folder: Path, scheduler: dict[str, Any], prediction: str
) -> None:
    change(folder / SCHEDULER, **scheduler)
    model = find(str(folder))
    assert (model.prediction, model.noise_path) == (prediction, PATHS[model.prediction])
    assert "scheduler" in model.prediction_by
    facts = model_facts(folder)
    assert (facts["prediction"], facts["known by"]) == (prediction, model.prediction_by)


@pytest.mark.parametrize(
    ("scheduler", "named"),
    [
        ({"prediction_type": "flow_prediction"}, "rectified flow"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "rectified flow"),
        ({"use_flow_sigmas": True}, "rectified flow"),
        ({"prediction_type": "score"}, "the prediction_type 'score'"),
        (PLAYGROUND | {"prediction_type": "sample"}, "the prediction_type 'sample'"),
        (PLAYGROUND | {"sigma_data": 0.7}, "the sigma_data 0.7"),
    ],
    ids=str,
)
def test_what_is_not_run_is_refused_by_name(
    folder: Path, scheduler: dict[str, Any], named: str
) -> None:
    change(folder / SCHEDULER, **scheduler)
    with pytest.raises(ModelError, match=named) as caught:
        find(str(folder))
    assert "sdcli runs models for epsilon, v_prediction" in caught.value.hint


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SDXL as a single file of nothing but tensors."""
    root = tmp_path_factory.mktemp("xl")
    to_single_file(find(str(write_family(root / "sdxl", "sdxl"))), root / "sdxl.safetensors")
    save_file(load_file(root / "sdxl.safetensors"), root / "sdxl.safetensors")
    return root / "sdxl.safetensors"


@pytest.fixture(autouse=True)
def _tokenizer(xl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of CLIP's, which is on the hub."""
    own = xl.parent / "sdxl" / "tokenizer"
    monkeypatch.setattr("sdcli.models.single_file.tokenizer", lambda **_: own)


EDM_V = {"edm_vpred.sigma_max": torch.tensor(110.0), "edm_vpred.sigma_min": torch.tensor(0.003)}
EDM = {
    "edm_mean": torch.tensor(STATISTICS["latents_mean"]),
    "edm_std": torch.tensor(STATISTICS["latents_std"]),
}


@pytest.mark.parametrize(
    ("tensors", "metadata", "yaml", "prediction", "by"),
    [
        ({}, {}, "", "epsilon", ""),
        ({"v_pred": torch.zeros(0)}, {}, "", "v_prediction", "its tensor v_pred"),
        (EDM_V, {}, "", "edm_v", "its tensor edm_vpred.sigma_max"),
        (EDM, {}, "", "edm", "its tensor edm_mean"),
        ({}, {"modelspec.prediction_type": "v"}, "", "v_prediction", "its metadata, v"),
        ({}, {"modelspec.prediction_type": "epsilon"}, "", "epsilon", "its metadata, epsilon"),
        ({}, {}, 'model:\n  params:\n    parameterization: "v"\n', "v_prediction", "a.yaml"),
        ({}, {}, "model:\n  params:\n    parameterization: x0\n", "sample", "a.yaml"),
        ({}, {}, "model:\n  target: sgm\n", "epsilon", ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_single_file_tells(
    xl: Path,
    tmp_path: Path,
    tensors: dict[str, torch.Tensor],
    metadata: dict[str, str],
    yaml: str,
    prediction: str,
    by: str,
) -> None:
    path = tmp_path / "a.safetensors"
    save_file({**load_file(xl), **tensors}, path, metadata)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    model = find(str(path))
    assert (model.prediction, model.prediction_by) == (prediction, by)
    ends = model.table.sigma_min, model.table.sigma_max
    if tensors is EDM_V:
        assert ends == pytest.approx((0.003, 110), rel=1e-6)
    if tensors is EDM:
        assert ends == pytest.approx((0.002, 80), rel=1e-6)
        mean, std = STATISTICS["latents_mean"], STATISTICS["latents_std"]
        assert model.latents.shift == pytest.approx(mean)
        assert model.latents.scale == pytest.approx([0.5 / each for each in std])


@pytest.mark.parametrize(
    ("metadata", "yaml"),
    [
        ({"modelspec.prediction_type": "flow"}, ""),
        ({}, "params:\n  parameterization: score\n"),
    ],
)
def test_words_that_are_not_known_are_refused(
    xl: Path, tmp_path: Path, metadata: dict[str, str], yaml: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_file(load_file(xl), path, metadata)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    with pytest.raises(ModelError, match=r"says that it predicts '(flow|score)'"):
        find(str(path))


@pytest.mark.parametrize("kind", ["Playground 2.5", slow("CosXL")])
def test_the_picture_is_that_of_diffusers_own_pipeline(kind: str, tmp_path: Path) -> None:
    """By its EDM scheduler, whose first noise is √(σ²+1) strong where A1111's is σ."""
    folder = write_family(tmp_path / "xl", "sdxl")
    scheduler = PLAYGROUND if kind == "Playground 2.5" else COSXL
    change(folder / SCHEDULER, **scheduler)
    if kind == "Playground 2.5":
        change(folder / "vae" / "config.json", **STATISTICS)
    wanted = GenerationRequest(
        prompt="a fox", sampler="Euler Karras", steps=6, cfg_scale=3, seed=5, width=64, height=64
    )
    ours = Engine.load(str(folder), device="cpu").generate(wanted).image
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EDMEulerScheduler.from_config(scheduler)
    greatest = scheduler["sigma_max"]
    assert isinstance(greatest, float)
    theirs = pipeline(
        "a fox",
        num_inference_steps=6,
        guidance_scale=3,
        width=64,
        height=64,
        latents=NvStream(5).next((1, 4, 8, 8)) * (greatest / (greatest**2 + 1) ** 0.5),
    ).images[0]
    difference = np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)
    assert np.abs(difference).max() <= 2
    assert np.asarray(theirs).std() > 1


def test_an_edm_model_stays_one_in_every_layout(xl: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({**load_file(xl), **EDM}, path)
    request = GenerationRequest(prompt="a", seed=1, steps=3, width=64, height=64)
    wanted = np.asarray(Engine.load(str(path), device="cpu").generate(request).image, np.int16)
    to_folder(find(str(path)), tmp_path / "folder")
    index = json.loads((tmp_path / "folder" / "model_index.json").read_text())
    assert index["scheduler"] == ["diffusers", "EDMEulerScheduler"]
    to_single_file(find(str(tmp_path / "folder")), tmp_path / "again.safetensors")
    for copy in ("folder", "again.safetensors"):
        made = Engine.load(str(tmp_path / copy), device="cpu").generate(request).image
        assert np.abs(np.asarray(made, np.int16) - wanted).max() <= 1


def test_what_goes_by_timesteps_is_refused_for_one(folder: Path) -> None:
    change(folder / SCHEDULER, **PLAYGROUND)
    with pytest.raises(UsageError, match="goes by training timesteps"):
        Engine.load(str(folder), device="cpu").generate(
            GenerationRequest(prompt="a", seed=1, steps=2, sampler="diffusers:ddim")
        )
