"""Model: what is known of a model before any weight of it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sdcli.errors import ModelError
from sdcli.sampling.noise_tables import (
    TrainingTable,
    linear,
    log_spaced,
    scaled_linear,
    squared_cosine,
)
from sdcli.sampling.paths import PATHS, NoisePath, Prediction

from .families import Family
from .header import Header
from .latents import LatentSpace
from .prediction import Predicts
from .roles import DECODER, backbone_role


@dataclass(frozen=True, slots=True)
class Vae:
    """A VAE in a file of its own.

    `prefix` stands before its tensors' names in the original layout; None is diffusers' layout.
    """

    path: Path
    config: Mapping[str, Any]
    prefix: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose files have been checked, and of which no weight is loaded.

    `path` is a diffusers folder, or a single file, which then has a `header`. `configs` are those
    of its networks, by component; a single file may have no VAE. `native_size` is in pixels,
    `latents` the space of its latents, `scheduler` the configuration that came with the model,
    `tokenizers` the folders of its text encoders' tokenizers, which a header may hold instead.
    `vae` is one in the place of its own. `prediction_by` says what told the prediction; nothing
    did where it is empty.
    """

    name: str
    path: Path
    family: Family
    prediction: Prediction
    native_size: int
    latents: LatentSpace
    table: TrainingTable
    scheduler: Mapping[str, Any]
    configs: Mapping[str, Mapping[str, Any]]
    tokenizers: tuple[Path, ...]
    header: Header | None = None
    vae: Vae | None = None
    prediction_by: str = ""

    @property
    def noise_path(self) -> NoisePath:
        """How its latents, noise and output hang together."""
        return PATHS[self.prediction]


def model_of(
    name: str,
    path: Path,
    family: Family,
    configs: Mapping[str, Mapping[str, Any]],
    scheduler: Mapping[str, Any],
    *,
    predicts: Predicts,
    tokenizers: tuple[Path, ...] = (),
    header: Header | None = None,
) -> Model:
    """Return the model of these configurations, which win over the family's constants.

    Raises ModelError for a schedule of noise that is not known.
    """
    latents = family.latents.with_vae(configs.get(DECODER, {}))
    own_size = configs[backbone_role(configs)].get("sample_size")  # in latents
    return Model(
        name=name,
        path=path,
        family=family,
        prediction=predicts.prediction,
        prediction_by=predicts.by,
        native_size=latents.factor * int(own_size) if own_size else family.native_size,
        latents=latents,
        table=_table(scheduler, path, predicts.prediction),
        scheduler=scheduler,
        configs=configs,
        tokenizers=tokenizers,
        header=header,
    )


_TABLES: Mapping[str, Callable[..., TrainingTable]] = {
    "scaled_linear": partial(scaled_linear, beta_start=0.00085, beta_end=0.012),
    "linear": partial(linear, beta_start=0.00085, beta_end=0.012),
    "squaredcos_cap_v2": squared_cosine,
}


# Where a model does not say its own: Karras et al.'s range, and CosXL's.
_EDM_RANGES: Mapping[Prediction, tuple[float, float]] = {"edm": (0.002, 80), "edm_v": (0.002, 120)}


def _table(scheduler: Mapping[str, Any], path: Path, prediction: Prediction) -> TrainingTable:
    if prediction in _EDM_RANGES:
        least, greatest = _EDM_RANGES[prediction]
        return log_spaced(
            sigma_min=float(scheduler.get("sigma_min", least)),
            sigma_max=float(scheduler.get("sigma_max", greatest)),
        )
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
