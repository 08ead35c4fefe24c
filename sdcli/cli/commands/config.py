"""`sdcli config`: the user's defaults, shown and changed."""

from __future__ import annotations

from typing import Annotated

import typer

from sdcli.cli.command import Json, command, new_app
from sdcli.cli.completion import config_keys
from sdcli.cli.console import Console
from sdcli.errors import UsageError, did_you_mean
from sdcli.files.toml import to_toml
from sdcli.sources import config

app = new_app(help="Show and change your defaults.")
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
def show(console: Console, json: Json = False) -> int:
    """Print what is set."""
    layer = config.read()
    config.check(layer)
    if json:
        console.out_json(dict(layer.values))
    else:
        for key, value in layer.values.items():
            console.out(to_toml(key, value))
    return 0


@command(app)
def get(console: Console, key: _Key) -> int:
    """Print one value; exit code 1 if it is not set."""
    values = config.read().values
    name = _known(key)
    if name not in values:
        console.say(f"{name} is not set")
        return 1
    console.out(str(values[name]))
    return 0


@command(app, "set")
def set_value(
    console: Console,
    key: _Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The new value.")],
) -> int:
    """Set one value."""
    name = _known(key)
    path = config.set_value(name, config.parse_value(name, value))
    console.say(f"set in {path}")
    return 0


@command(app)
def unset(console: Console, key: _Key) -> int:
    """Remove one value."""
    path = config.unset_value(_known(key))
    console.say(f"removed from {path}")
    return 0


@command(app)
def path(
    console: Console,
) -> int:
    """Print the path of the config file."""
    console.out(str(config.config_path()))
    return 0
