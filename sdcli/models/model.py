"""Model: what is known of a model before any weight of it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sdcli.errors import ModelError
from sdcli.sampling.noise_tables import TrainingTable, linear, scaled_linear, squared_cosine
from sdcli.sampling.paths import PATHS, NoisePath, Prediction

from .families import Family
from .header import Header
from .latents import LatentSpace
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
    `vae` is one in the place of its own.
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
    tokenizers: tuple[Path, ...] = (),
    header: Header | None = None,
) -> Model:
    """Return the model of these configurations, which win over the family's constants."""
    latents = family.latents.with_vae(configs.get(DECODER, {}))
    own_size = configs[backbone_role(configs)].get("sample_size")  # in latents
    return Model(
        name=name,
        path=path,
        family=family,
        prediction=scheduler.get("prediction_type", family.prediction),
        native_size=latents.factor * int(own_size) if own_size else family.native_size,
        latents=latents,
        table=_table(scheduler, path),
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
