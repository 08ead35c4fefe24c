"""Owns `sdcli presets`: list, show, and where they live."""

from __future__ import annotations

from typing import Annotated

import typer

from sdcli.presets import find, folders
from sdcli.presets import presets as all_presets

from . import ui
from .command import Json, command, new_app

app = new_app(help="List and show presets: named settings, given to gen as --preset NAME.")
_Name = Annotated[str, typer.Argument(metavar="NAME", help="A preset's name.")]


@command(app, "list")
def list_presets(json: Json = False) -> int:
    """List the presets of the project, the user and the package."""
    found = list(all_presets())
    if json:
        for preset in found:
            ui.out_json(
                {
                    "name": preset.name,
                    "origin": preset.origin,
                    "description": preset.description,
                    "path": str(preset.path),
                }
            )
    else:
        rows = [(preset.name, preset.origin, preset.description) for preset in found]
        ui.table(("PRESET", "FROM", "WHAT IT IS FOR"), rows)
    return 0


@command(app)
def show(name: _Name, json: Json = False) -> int:
    """Print what a preset sets."""
    preset = find(name)
    if json:
        ui.out_json({"name": preset.name, "path": str(preset.path), **preset.layer().values})
    else:
        ui.out(preset.path.read_text(encoding="utf-8").rstrip())
    return 0


@command(app)
def path() -> int:
    """Print the folders that presets are looked for in, the first found winning."""
    for _, folder in folders():
        ui.out(str(folder.absolute()))
    return 0
