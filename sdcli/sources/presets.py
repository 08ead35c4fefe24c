"""Presets: named TOML layers, found in the project, the user's folder and the package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from sdcli.errors import OutputError, UsageError, did_you_mean
from sdcli.files import is_file, write_atomically
from sdcli.files.toml import to_toml
from sdcli.request import GenerationRequest

from .layers import REQUEST_KEYS, Layer, read_toml

PRESET_KEYS = REQUEST_KEYS - {"seed"}


@dataclass(frozen=True, slots=True)
class Preset:
    """A name, where it was found, and its file."""

    name: str
    origin: str
    path: Path

    @property
    def description(self) -> str:
        """Its one-line description, "" if it has none."""
        layer = read_toml(self.path, f"preset {self.name}", keys={"description"}, also=PRESET_KEYS)
        return str(layer.values.get("description", ""))

    def layer(self) -> Layer:
        """Return what it sets. Raises UsageError for an unknown key, naming file and line."""
        return read_toml(
            self.path, f"preset {self.path.name}", keys=PRESET_KEYS, also={"description"}
        )


def unsaid(key: str, value: Any) -> bool:
    """Return whether a field's value is empty, and says no more than if it were left out."""
    return value in ("", ()) and value == GenerationRequest.model_fields[key].default


def preset_text(values: Mapping[str, Any], description: str = "") -> str:
    """Return the TOML of a preset that sets these fields; seeds are none of its matters."""
    lines = [to_toml("description", description)] if description else []
    lines += [
        to_toml(key, value)
        for key, value in values.items()
        if key in PRESET_KEYS and value is not None and not unsaid(key, value)
    ]
    return "\n".join(lines)


def save(name: str, text: str, *, project: bool, overwrite: bool) -> Path:
    """Keep a preset for the user, or in the project's folder; its path.

    Raises UsageError for a name that is none, or is taken, OutputError.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,80}", name) or name.endswith((".", " ")):
        raise UsageError(f"{name!r} is not a name for a preset", "use letters, digits, - and _")
    folder = dict(folders())["project" if project else "user"]
    path = folder / f"{name}.toml"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}") from error
    try:
        write_atomically(path, f"{text}\n".encode(), overwrite=overwrite)
    except FileExistsError as error:
        raise UsageError(f"{path} exists", "--overwrite replaces it") from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    return path


def shipped_folder() -> Path:
    """Return the presets that come with sdcli: in the package, or at the top of a checkout."""
    package = Path(str(files("sdcli")))
    packed = package / "shipped_presets"
    return packed if packed.is_dir() else package.parent / "presets"


def folders() -> tuple[tuple[str, Path], ...]:
    """Return where presets are looked for, the first found winning."""
    return (
        ("project", Path("presets")),
        ("user", user_config_path("sdcli", appauthor=False) / "presets"),
        ("shipped", shipped_folder()),
    )


def presets() -> Iterator[Preset]:
    """Yield every preset once, by name: the project's hide the user's, those the shipped ones."""
    by_name: dict[str, Preset] = {}
    for origin, folder in folders():
        for path in sorted(folder.glob("*.toml")):
            by_name.setdefault(path.stem, Preset(path.stem, origin, path))
    yield from sorted(by_name.values(), key=lambda preset: preset.name)


def find(name: str) -> Preset:
    """Find a preset by name, or in a `.toml` file. Raises UsageError, naming the nearest."""
    if name.endswith(".toml"):
        path = Path(name)
        if not is_file(path):
            raise UsageError(f"--preset: no file {name}")
        return Preset(path.stem, "file", path)
    known = {preset.name: preset for preset in presets()}
    if name not in known:
        hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
        raise UsageError(f"--preset: unknown preset {name!r}", hint)
    return known[name]
