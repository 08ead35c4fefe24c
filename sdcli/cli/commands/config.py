"""Owns `sdcli config`: the user's defaults, shown and changed."""

from __future__ import annotations

from typing import Annotated

import typer

from sdcli.cli import console as ui
from sdcli.cli.command import Json, command, new_app
from sdcli.cli.completion import config_keys
from sdcli.errors import UsageError, did_you_mean
from sdcli.files.toml import to_toml
from sdcli.sources import config

app = new_app(help="Show and change your defaults, kept in one TOML file.")
_Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="A setting, such as model or steps.", autocompletion=config_keys
    ),
]


def _known(key: str) -> str:
    name = key.replace("-", "_")
    if name not in config.CONFIG_KEYS:
        raise UsageError(f"config has no key {key!r}", did_you_mean(name, config.CONFIG_KEYS))
    return name


@command(app)
def show(json: Json = False) -> int:
    """Print what is set."""
    layer = config.read()
    config.check(layer)
    if json:
        ui.out_json(dict(layer.values))
    else:
        for key, value in layer.values.items():
            ui.out(to_toml(key, value))
    return 0


@command(app)
def get(key: _Key) -> int:
    """Print one value; exit code 1 if it is not set."""
    values = config.read().values
    name = _known(key)
    if name not in values:
        ui.say(f"{name} is not set")
        return 1
    ui.out(str(values[name]))
    return 0


@command(app, "set")
def set_value(
    key: _Key, value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")]
) -> int:
    """Set one value."""
    name = _known(key)
    path = config.set_value(name, config.parse_value(name, value))
    ui.say(f"set in {path}")
    return 0


@command(app)
def unset(key: _Key) -> int:
    """Take one value out."""
    path = config.unset_value(_known(key))
    ui.say(f"taken out of {path}")
    return 0


@command(app)
def path() -> int:
    """Print where the file is, or would be."""
    ui.out(str(config.config_path()))
    return 0
