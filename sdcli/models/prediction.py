"""How a model predicts: by its scheduler, its tensors, its metadata, or a .yaml beside it.

Nothing of it is guessed: what sdcli cannot make a picture of is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sdcli.errors import ModelError
from sdcli.sampling.paths import PATHS, Prediction

from .header import Header, numbers


@dataclass(frozen=True, slots=True)
class Predicts:
    """What a model's output stands for, and `by` what that is known."""

    prediction: Prediction
    by: str


_ALLOWED = f"sdcli runs models for {', '.join(PATHS)}"
# diffusers' schedulers for models of Karras et al. 2022: Playground 2.5 names the second.
_EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")
_EDM_KINDS: Mapping[str, tuple[Prediction, float]] = {  # with the σ_data of their paths
    "epsilon": ("edm", 0.5),
    "v_prediction": ("edm_v", 1.0),
}
# diffusers' schedulers along a rectified flow, by a part of their names.
_FLOW = "Flow"


def of_scheduler(scheduler: Mapping[str, Any], default: Prediction) -> Predicts:
    """Return what a diffusers folder's scheduler says. Raises ModelError."""
    name = str(scheduler.get("_class_name", ""))
    kind = str(scheduler.get("prediction_type", default))
    if name in _EDM:
        prediction, data = _EDM_KINDS.get(kind, (None, 0))
        told = float(scheduler.get("sigma_data", 0.5))
        if prediction is None or told != data:
            raise ModelError(
                f"its {name} has the prediction_type {kind!r} and the sigma_data {told:g}", _ALLOWED
            )
        return Predicts(prediction, f"its scheduler, {name}")
    if _FLOW in name or kind.startswith("flow") or scheduler.get("use_flow_sigmas"):
        raise ModelError(f"it follows a rectified flow ({name}, {kind})", _ALLOWED)
    if kind not in PATHS:
        raise ModelError(f"its scheduler has the prediction_type {kind!r}", _ALLOWED)
    by = "its scheduler" if "prediction_type" in scheduler else "its family"
    return Predicts(cast("Prediction", kind), by)


# What stands in single files, with the ranges of σ that their authors trained at: Stability AI's
# CosXL has its own in the tensors' values; Playground's 2.5 in its card.
_TENSORS: tuple[tuple[str, Prediction], ...] = (
    ("edm_vpred.sigma_max", "edm_v"),
    ("edm_mean", "edm"),
    ("v_pred", "v_prediction"),
)
# Stability AI's modelspec 1.0.1 knows the first and "v"; the others are trainers' own.
_METADATA = "modelspec.prediction_type"
_WORDS: Mapping[str, Prediction] = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "sample": "sample",
    "x0": "sample",
}
# In CompVis' and Stability AI's configurations, which A1111 reads beside a checkpoint.
_YAML = re.compile(r"^\s*parameterization\s*:\s*[\"']?([\w-]+)", re.MULTILINE)
_MOST_YAML = 2**20  # bytes


def of_single_file(path: Path, header: Header, default: Prediction) -> Predicts:
    """Return what a file's tensors, its metadata or the .yaml beside it say, in that order.

    By nothing of these it is the family's `default`. Raises ModelError.
    """
    for tensor, prediction in _TENSORS:
        if tensor in header.shapes:
            return Predicts(prediction, f"its tensor {tensor}")
    if word := header.metadata.get(_METADATA):
        return Predicts(_prediction(word, f"its metadata {_METADATA}"), f"its metadata, {word}")
    beside = path.with_suffix(".yaml")
    if word := _in_yaml(beside):
        return Predicts(_prediction(word, beside.name), beside.name)
    return Predicts(default, "")


def edm_scheduler(path: Path, header: Header, prediction: Prediction) -> dict[str, Any]:
    """Return a scheduler's configuration for such a single file, with the file's own range of σ.

    diffusers gives CosXL the same. Raises ModelError.
    """
    kind = next(kind for kind, (row, _) in _EDM_KINDS.items() if row == prediction)
    own = {
        end: numbers(path, f"{header.root}edm_vpred.{end}")[0]
        for end in ("sigma_min", "sigma_max")
        if f"edm_vpred.{end}" in header.shapes
    }
    return {
        "_class_name": _EDM[0],
        "prediction_type": kind,
        "sigma_data": _EDM_KINDS[kind][1],
        **own,
    }


def edm_latents(path: Path, header: Header) -> dict[str, Any]:
    """Return what a Playground 2.5 file's VAE needs besides its weights; nothing for others.

    The scale is that of its folder's VAE. Raises ModelError.
    """
    if "edm_mean" not in header.shapes:
        return {}
    return {
        "scaling_factor": 0.5,
        "latents_mean": numbers(path, f"{header.root}edm_mean"),
        "latents_std": numbers(path, f"{header.root}edm_std"),
    }


def _prediction(word: str, where: str) -> Prediction:
    try:
        return _WORDS[word.strip().lower()]
    except KeyError:
        raise ModelError(f"{where} says that it predicts {word!r}", _ALLOWED) from None


def _in_yaml(path: Path) -> str:
    """Return the parameterization that a configuration names; empty where there is none."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_YAML:
            return ""
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    match = _YAML.search(text)
    return match[1] if match else ""
