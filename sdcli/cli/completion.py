"""What a shell offers for a word that is being typed.

Commands that have nothing to do with pictures import this: so each function imports what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdcli.errors import SdcliError

if TYPE_CHECKING:
    from sdcli.models.library import Kind

Offer = Callable[[], list[str]]


def samplers() -> list[str]:
    """Return every sampler's name."""
    from sdcli.sampling import SAMPLERS

    return [row.name for row in SAMPLERS]


def schedules() -> list[str]:
    """Return every schedule's name."""
    from sdcli.sampling import SCHEDULES

    return [row.name for row in SCHEDULES]


def preset_names() -> list[str]:
    """Return the names of the shipped, the user's and the project's presets."""
    from sdcli.sources import presets

    return [found.name for found in presets.presets()]


def in_folders(kind: Kind) -> list[str]:
    """Return what the models folders of the config or the environment hold of a kind."""
    from sdcli.models.library import library
    from sdcli.request.settings import Settings
    from sdcli.request.validate import validate
    from sdcli.sources import config
    from sdcli.sources.layers import merge

    try:
        merged = merge([config.read(), config.environment()])
        folders = validate(Settings, merged.values, merged).models_folders
        return [found.name for found in library(folders, kind)]
    except SdcliError:
        return []  # in the middle of a line there is no place to tell what is wrong


def model_names() -> list[str]:
    """Return the one that ships, and what the folders hold."""
    from sdcli.models import BUILTIN

    return [BUILTIN, *in_folders("checkpoint")]


def vae_names() -> list[str]:
    """Return the model's own, and what the folders hold."""
    from sdcli.models.vae import AUTOMATIC, OWN

    return [AUTOMATIC, OWN, *in_folders("vae")]


def config_keys() -> list[str]:
    """Return what a config file may set."""
    from sdcli.sources import config

    return sorted(config.CONFIG_KEYS)


OFFERS: Mapping[str, Offer] = {
    "sampler": samplers,
    "hires_sampler": samplers,
    "scheduler": schedules,
    "model": model_names,
    "vae": vae_names,
    "lora": lambda: in_folders("lora"),
}
"""For the request's fields that take a name."""
