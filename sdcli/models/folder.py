"""Checking a model folder in the diffusers layout, and the choice among its weight files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdcli.errors import ModelError

from .families import check_pipeline, of_folder
from .header import read_header
from .model import Model, model_of
from .prediction import of_scheduler
from .roles import DECODER, ROLES, TEXT_ENCODERS, backbone_role
from .weight_names import choose

_SCALE = 0.18215  # AutoencoderKL's own, where a configuration says none


def components(index: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the roles of a folder's networks, as its `model_index.json` lists them."""
    listed = {role for role in ROLES if index.get(role)}
    always = {backbone_role(listed), DECODER, TEXT_ENCODERS[0]}
    return tuple(role for role in ROLES if role in listed | always)


def inspect(path: Path, name: str) -> Model:
    """Read the folder's configuration and check its weight files' headers and lengths.

    Raises ModelError for a missing or damaged file, or a family that sdcli does not run.
    """
    if not (path / "model_index.json").is_file():
        if (kind := _component(path)) is not None:
            raise ModelError(
                f"--model: {path} is one component of a model ({kind})",
                "give the folder of a whole one, which has a model_index.json",
            )
        raise ModelError(
            f"--model: {path} has no model_index.json, so it is not a diffusers model folder",
            "give the folder that holds unet/, vae/ and text_encoder/",
        )
    index = _read_json(path / "model_index.json")
    try:
        check_pipeline(index)
    except ModelError as error:
        raise ModelError(f"--model: {path}: {error.message}", error.hint) from error
    parts = components(index)
    configs = {part: _read_json(path / part / "config.json") for part in parts}
    configs[DECODER] = {"scaling_factor": _SCALE, **configs[DECODER]}
    scheduler = _read_json(path / "scheduler" / "scheduler_config.json")
    try:
        family = of_folder(index, configs[backbone_role(parts)], scheduler)
        predicts = of_scheduler(scheduler, family.prediction)
    except ModelError as error:
        raise ModelError(f"--model: {path}: {error.message}", error.hint) from error
    for part in parts:
        _check_weights(path / part)
    tokenizers = tuple(
        path / part.replace("text_encoder", "tokenizer") for part in parts if part in TEXT_ENCODERS
    )
    for folder in tokenizers:
        if not folder.is_dir():
            raise ModelError(f"--model: {path} has no {folder.name} folder")
    return model_of(
        name, path, family, configs, scheduler, predicts=predicts, tokenizers=tokenizers
    )


def _component(path: Path) -> str | None:
    """Return the class that a folder's own configuration names; None where it has none."""
    if not (path / "config.json").is_file():
        return None
    config = _read_json(path / "config.json")
    name = config.get("_class_name") or config.get("architectures")
    return str(name[0] if isinstance(name, list) and name else name)


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"--model: {path} is missing", "the model folder is incomplete") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"--model: cannot read {path}: {error}") from error
    if not isinstance(data, Mapping):
        raise ModelError(f"--model: {path} is not a JSON object")
    return data


def weight_files(folder: Path) -> list[Path]:
    """Return a component's weight files, as `choose` says which. Raises ModelError."""
    try:
        files = [folder / name for name in choose(file.name for file in folder.glob("*"))]
    except ModelError as error:
        raise ModelError(f"--model: {folder}: {error.message}", error.hint) from error
    if not files:
        raise ModelError(
            f"--model: {folder} holds no weights",
            "expected diffusion_pytorch_model.safetensors or model.safetensors",
        )
    return files


def _check_weights(folder: Path) -> None:
    for file in weight_files(folder):
        try:
            read_header(file)
        except ModelError as error:
            raise ModelError(f"--model: {error.message}", error.hint) from error
