"""The user's defaults: one flat TOML file, read as a layer and edited a line at a time."""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from sdcli.errors import UsageError
from sdcli.files import write_atomically
from sdcli.files.toml import parse_toml, to_toml
from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings
from sdcli.request.validate import validate

from .layers import ALL_KEYS, Layer, merge, read_toml

CONFIG_KEYS = ALL_KEYS - {"prompt", "seed"}
"""A prompt or a seed for every run is more likely a mistake than a wish."""

_ENVIRONMENT = {
    "SDCLI_MODEL": "model",
    "SDCLI_DEVICE": "device",
    "SDCLI_DTYPE": "dtype",
    "SDCLI_OUTPUT": "output",
}


def config_path() -> Path:
    """Return where the config file is, or would be: SDCLI_CONFIG, else the platform's folder."""
    path = os.environ.get("SDCLI_CONFIG")
    return Path(path) if path else user_config_path("sdcli", appauthor=False) / "config.toml"


def read() -> Layer:
    """Return the config file as a layer; empty where there is none. Raises UsageError."""
    path = config_path()
    if not path.exists():
        return Layer("config", {})
    return read_toml(path, f"config {path}", keys=CONFIG_KEYS)


def environment() -> Layer:
    """Return the SDCLI_* variables as a layer; an empty one counts as unset."""
    values: dict[str, Any] = {
        key: os.environ[name] for name, key in _ENVIRONMENT.items() if os.environ.get(name)
    }
    if folders := os.environ.get("SDCLI_MODELS_DIR"):
        values["models_dir"] = tuple(filter(None, folders.split(os.pathsep)))
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        values["offline"] = "true"
    return Layer("environment", values)


def check(layer: Layer) -> None:
    """Raise UsageErrors for every value that the schemas refuse."""
    merged = merge([layer])
    validate(Settings, merged.values, merged)
    validate(GenerationRequest, {**merged.values, "seed": 0}, merged)


def parse_value(key: str, text: str) -> Any:
    """Parse what follows `config set KEY`: a number or true/false where the key takes one."""
    fields = GenerationRequest.model_fields | Settings.model_fields
    if fields[key].annotation is str:
        return text
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) else text


def set_value(key: str, value: Any) -> Path:
    """Set `key` in the config file, leaving every other line as it is. Returns the file's path.

    Raises UsageError for an unknown key, a bad value, or a file too clever to edit by line.
    """
    check(Layer("config", {**read().values, key: value}))
    return _edit(key, to_toml(key, value))


def unset_value(key: str) -> Path:
    """Take `key` out of the config file. Raises UsageError if it is not set there."""
    if key not in read().values:
        raise UsageError(f"{key} is not set in {config_path()}")
    return _edit(key, None)


def _edit(key: str, line: str | None) -> Path:
    path = config_path()
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    expected = parse_toml(before)
    expected.pop(key, None)
    own = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
    rows = [row.removesuffix("\n") for row in StringIO(before)]  # splitlines knows more line ends
    edited_rows = [row for row in rows if not own.match(row)]
    if line is not None:
        edited_rows.append(line)
        expected |= parse_toml(line)
    text = "".join(f"{row}\n" for row in edited_rows)
    try:
        edited = parse_toml(text)
    except ValueError:
        edited = None
    if edited != expected:
        raise UsageError(f"cannot edit {path}: {key} spans several lines", "edit the file by hand")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.resolve(), text.encode(), overwrite=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return path
