"""Owns finding a model by name and checking its files, without loading a weight."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from .errors import ModelError
from .families import Family, Prediction, of_folder
from .hub import cached, fetch, silent
from .sampling.training import TrainingTable, linear, scaled_linear, squared_cosine

BUILTIN = "builtin"
COMPONENTS = ("unet", "vae", "text_encoder")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A diffusers folder whose configuration and weight files have been checked.

    `native_size` is in pixels, `latent_scale` what latents are multiplied by after encoding,
    `scheduler` the configuration that came with the model.
    """

    name: str
    path: Path
    family: Family
    prediction: Prediction
    native_size: int
    latent_scale: float
    table: TrainingTable
    scheduler: Mapping[str, Any]


def is_hub_id(model: str) -> bool:
    """Whether `model` is to be looked up on the hub: owner/name, and no such folder here."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", model)) and not (
        Path(model).exists() or model.startswith(".")
    )


def locate(model: str) -> Path | None:
    """The folder that `model` names on this disk; None for a hub id. Raises ModelError."""
    if model == BUILTIN:
        return Path(str(files("sdcli"))) / "builtin"
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if is_hub_id(model):
        return None
    if path.is_file():
        raise ModelError(
            f"--model: {model} is a single file", "give a folder in the diffusers layout"
        )
    raise ModelError(
        f"--model: there is no folder {model}",
        f"give a diffusers folder, a hub id such as owner/name, or {BUILTIN}",
    )


def find(model: str, *, offline: bool = False, say: Callable[[str], None] = silent) -> ModelFolder:
    """The model of that name, checked. A hub id is fetched only if the cache does not hold it.

    Raises ModelError.
    """
    path = locate(model)
    if path is not None:
        return inspect(path, model)
    if here := cached(model):
        try:
            return inspect(here, model)
        except ModelError:
            if offline:
                raise
    elif offline:
        raise ModelError(
            f"--model: {model} is not in the cache and sdcli is offline",
            "run once without --offline, or name a local folder",
        )
    return inspect(fetch(model, say=say), model)


def inspect(path: Path, name: str) -> ModelFolder:
    """Read the folder's configuration and check its weight files' headers and lengths.

    Raises ModelError for a missing or damaged file, or a family that sdcli does not run.
    """
    if not (path / "model_index.json").is_file():
        raise ModelError(
            f"--model: {path} has no model_index.json, so it is no diffusers model folder",
            "give the folder that holds unet/, vae/ and text_encoder/",
        )
    index = _read_json(path / "model_index.json")
    configs = {part: _read_json(path / part / "config.json") for part in COMPONENTS}
    scheduler = _read_json(path / "scheduler" / "scheduler_config.json")
    try:
        family = of_folder(index, configs["unet"], scheduler)
    except ModelError as error:
        raise ModelError(f"--model: {path}: {error.message}", error.hint) from error
    for part in COMPONENTS:
        _check_weights(path / part)
    if not (path / "tokenizer").is_dir():
        raise ModelError(f"--model: {path} has no tokenizer folder")
    return ModelFolder(
        name=name,
        path=path,
        family=family,
        prediction=scheduler.get("prediction_type", family.prediction),
        native_size=8 * int(configs["unet"].get("sample_size") or family.native_size // 8),
        latent_scale=float(configs["vae"].get("scaling_factor", family.latent_scale)),
        table=_table(scheduler, path),
        scheduler=scheduler,
    )


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"--model: {path} is missing", "the model folder is incomplete") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"--model: cannot read {path}: {error}") from error
    if not isinstance(data, Mapping):
        raise ModelError(f"--model: {path} holds no JSON object")
    return data


_TABLES: Mapping[str, Callable[..., TrainingTable]] = {
    "scaled_linear": partial(scaled_linear, beta_start=0.00085, beta_end=0.012),
    "linear": partial(linear, beta_start=0.00085, beta_end=0.012),
    "squaredcos_cap_v2": squared_cosine,
}


def _table(scheduler: Mapping[str, Any], path: Path) -> TrainingTable:
    kind = scheduler.get("beta_schedule", "scaled_linear")
    if kind not in _TABLES:
        raise ModelError(
            f"--model: {path}: unknown beta_schedule {kind!r}", f"known: {', '.join(_TABLES)}"
        )
    ends = {key: float(scheduler[key]) for key in ("beta_start", "beta_end") if key in scheduler}
    return _TABLES[kind](
        **(ends if kind != "squaredcos_cap_v2" else {}),
        count=int(scheduler.get("num_train_timesteps", 1000)),
        zero_terminal_snr=bool(scheduler.get("rescale_betas_zero_snr")),
    )


def _check_weights(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    found = sorted(folder.glob("*.safetensors"))
    if not found and not list(folder.glob("*.bin")):
        raise ModelError(f"--model: {folder} holds no weights", "expected a .safetensors file")
    for file in found:
        try:
            with safe_open(file, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"--model: {file} is damaged or no safetensors file: {error}", "download it again"
            ) from error
