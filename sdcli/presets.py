"""Owns presets: named TOML layers, found in the project, the user's folder and the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from platformdirs import user_config_path

from .errors import UsageError, did_you_mean
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
        """What it sets. Raises UsageError for an unknown key, naming file and line."""
        return read_toml(
            self.path, f"preset {self.path.name}", keys=PRESET_KEYS, also={"description"}
        )


def shipped_folder() -> Path:
    """The presets that come with sdcli: in the package, or at the top of a checkout."""
    package = Path(str(files("sdcli")))
    packed = package / "shipped_presets"
    return packed if packed.is_dir() else package.parent / "presets"


def folders() -> tuple[tuple[str, Path], ...]:
    """Where presets are looked for, the first found winning."""
    return (
        ("project", Path("presets")),
        ("user", user_config_path("sdcli", appauthor=False) / "presets"),
        ("shipped", shipped_folder()),
    )


def presets() -> Iterator[Preset]:
    """Every preset once, by name; the project's hides the user's, the user's the shipped one."""
    found: dict[str, Preset] = {}
    for origin, folder in folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, Preset(path.stem, origin, path))
    yield from sorted(found.values(), key=lambda preset: preset.name)


def find(name: str) -> Preset:
    """The preset of that name, or in that `.toml` file. Raises UsageError, naming the nearest."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"--preset: no file {name}")
        return Preset(path.stem, "file", path)
    known = {preset.name: preset for preset in presets()}
    if name not in known:
        hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
        raise UsageError(f"--preset: unknown preset {name!r}", hint)
    return known[name]
