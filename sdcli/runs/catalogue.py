"""What planning reads on disk: config, presets, models and the like, each once a command."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from sdcli import models
from sdcli.errors import SdcliError
from sdcli.models import Model
from sdcli.models.header import read_header
from sdcli.models.library import Folders, Library, Only, find_lora
from sdcli.models.vae import with_vae
from sdcli.notices import Say
from sdcli.prompts.styles import Style, read_styles
from sdcli.prompts.wildcards import Wildcards, read_wildcards
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources import config, presets
from sdcli.sources.layers import Layer, Merged
from sdcli.sources.recipes import Recipe, read_recipe

from .output import Target

T = TypeVar("T")


class Catalogue:
    """What planning looks up, kept from the first time on; what is wrong is wrong each time.

    `say` and `warn` are told what a person should know of a model, once.
    """

    def __init__(self, say: Say, warn: Say) -> None:
        self._say = say
        self._warn = warn
        self._cache: dict[Hashable, Any] = {}

    def _once(self, key: Hashable, read: Callable[[], T]) -> T:
        if key not in self._cache:
            try:
                self._cache[key] = read()
            except SdcliError as error:
                self._cache[key] = error
        value = self._cache[key]
        if isinstance(value, SdcliError):
            raise value
        return cast(T, value)

    def config(self) -> Layer:
        """Read the config file. Raises UsageError."""
        return self._once("config", config.read)

    def environment(self) -> Layer:
        """Read the SDCLI_* variables."""
        return self._once("environment", config.environment)

    def preset(self, name: str) -> Layer:
        """Read a preset. Raises UsageError."""
        return self._once(("preset", name), lambda: presets.find(name).layer())

    def recipe(self, path: str) -> Recipe | None:
        """Read what made a picture; a warning tells what of it sdcli does not know.

        Raises UsageError.
        """

        def read() -> Recipe | None:
            recipe = read_recipe(Path(path))
            if recipe and recipe.rest:
                self._warn(f"{path}: sdcli does not know {', '.join(recipe.rest)}")
            return recipe

        return self._once(("recipe", path), read)

    def settings(self, merged: Merged) -> Settings:
        """Validate what a merged layer says of how a run is carried out. Raises UsageErrors."""
        values = {k: v for k, v in merged.values.items() if k in Settings.model_fields}
        places = [merged.where(key) for key in values]
        key = ("settings", repr(values), repr(places))
        return self._once(key, lambda: validate(Settings, values, merged))

    def library(self, folders: Folders) -> Library:
        """Return the models folders, each kind walked once."""
        return self._once(("library", _key(folders)), lambda: Library(folders))

    def model(self, name: str, vae: str, settings: Settings, *, digest: str) -> Model:
        """Find and check the model of that name, with the VAE that is chosen. Raises ModelError."""

        def find() -> Model:
            library = self.library(settings.models_folders)
            model = models.find(
                name,
                folders=library,
                offline=settings.offline,
                digest=digest,
                say=self._say,
            )
            return with_vae(model, vae, folders=library, say=self._say)

        folders = _key(settings.models_folders)
        return self._once(("model", name, vae, folders, settings.offline, digest), find)

    def lora(self, name: str, folders: Folders) -> Path:
        """Find a LoRA's file and check its header. Raises ModelError."""

        def find() -> Path:
            path = find_lora(name, self.library(folders))
            read_header(path)
            return path

        return self._once(("lora", name, _key(folders)), find)

    def styles(self, files: Sequence[Path]) -> Mapping[str, Style]:
        """Read style files; of one name the first wins. Raises UsageError."""

        def read() -> dict[str, Style]:
            by_name: dict[str, Style] = {}
            for file in files:
                by_name = read_styles(file) | by_name
            return by_name

        return self._once(("styles", tuple(files)), read)

    def wildcards(self, folders: Sequence[Path]) -> Wildcards:
        """Read wildcard folders. Raises UsageError."""
        return self._once(("wildcards", tuple(folders)), lambda: read_wildcards(folders))

    def target(self, settings: Settings, pictures: int, *, inits: int) -> Target:
        """Check where so many pictures go, begun from so many others. Raises UsageError."""
        key = ("target", settings, min(pictures, 2), min(inits, 2))
        return self._once(key, lambda: Target.of(settings, pictures, inits=inits))


def _key(folders: Folders) -> tuple[Path | Only, ...]:
    return tuple(folders)
