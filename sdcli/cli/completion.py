"""Owns what a shell offers for a word that is being typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sdcli import config, models, presets
from sdcli.errors import SdcliError
from sdcli.layers import merge, validate
from sdcli.model_folders import Kind
from sdcli.models.library import library
from sdcli.models.vae import AUTOMATIC, OWN
from sdcli.sampling import SAMPLERS, SCHEDULES
from sdcli.settings import Settings

Offer = Callable[[], list[str]]


def samplers() -> list[str]:
    """Every sampler's name."""
    return [row.name for row in SAMPLERS]


def preset_names() -> list[str]:
    """Those that ship, the user's and the project's."""
    return [found.name for found in presets.presets()]


def in_folders(kind: Kind) -> list[str]:
    """What the models folders hold of a kind, as the config or the environment names them."""
    try:
        merged = merge([config.read(), config.environment()])
        folders = validate(Settings, merged.values, merged).models_folders
        return [found.name for found in library(folders, kind)]
    except SdcliError:
        return []  # in the middle of a line there is no place to tell what is wrong


def model_names() -> list[str]:
    """The one that ships, and what the folders hold."""
    return [models.BUILTIN, *in_folders("checkpoint")]


def config_keys() -> list[str]:
    """What a config file may set."""
    return sorted(config.CONFIG_KEYS)


OFFERS: Mapping[str, Offer] = {
    "sampler": samplers,
    "hires_sampler": samplers,
    "scheduler": lambda: [row.name for row in SCHEDULES],
    "model": model_names,
    "vae": lambda: [AUTOMATIC, OWN, *in_folders("vae")],
    "lora": lambda: in_folders("lora"),
}
"""For the request's fields that take a name."""
