"""`sdcli presets`: list, show, and where they live."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.completion import preset_names
from sdcli.cli.console import Console
from sdcli.cli.execute import host_of
from sdcli.cli.flags import SizeFlag, parameters
from sdcli.errors import UsageError
from sdcli.runs.inputs import Inputs
from sdcli.runs.resolve import explicit_values
from sdcli.sources import presets

app = new_app(help="List, show and save presets: named settings, used as --preset NAME.")
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A preset's name.", autocompletion=preset_names)
]


@command(app, "list")
def list_presets(console: Console, json: Json = False) -> int:
    """List the presets of the project, the user and the package."""
    found = list(presets.presets())
    if json:
        for preset in found:
            console.out_json(
                {
                    "name": preset.name,
                    "origin": preset.origin,
                    "description": preset.description,
                    "path": str(preset.path),
                }
            )
    else:
        rows = [(preset.name, preset.origin, preset.description) for preset in found]
        console.table(("PRESET", "FROM", "WHAT IT IS FOR"), rows)
    return 0


@command(app)
def show(console: Console, name: _Name, json: Json = False) -> int:
    """Print what a preset sets."""
    preset = presets.find(name)
    if json:
        console.out_json({"name": preset.name, "path": str(preset.path), **preset.layer().values})
    else:
        console.out(preset.path.read_text(encoding="utf-8").rstrip())
    return 0


@command(app, more=parameters(presets.PRESET_KEYS))
def save(
    console: Console,
    name: _Name,
    picture: Annotated[
        str,
        option("--from", panel="Prompt", metavar="IMAGE", help="Take the settings of a picture."),
    ] = "",
    size: SizeFlag = "",
    description: Annotated[
        str,
        option(
            "--description",
            panel="General",
            metavar="TEXT",
            help="What it is for, shown in the list.",
        ),
    ] = "",
    project: Annotated[
        bool,
        typer.Option("--project", help="Save it in ./presets.", rich_help_panel="General"),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing preset.", rich_help_panel="General"),
    ] = False,
    **typed: Any,
) -> int:
    """Save settings under a name: from flags, from a picture, or both.

    Flags win over the picture. The preset's path is printed.
    """
    values = explicit_values(Inputs(picture=picture, size=size, flags=typed), host_of(console))
    if not values:
        raise UsageError("there is nothing to save", "give flags, or --from a picture")
    console.out(
        str(
            presets.save(
                name, presets.preset_text(values, description), project=project, overwrite=overwrite
            )
        )
    )
    return 0


@command(app)
def path(
    console: Console,
) -> int:
    """Print the folders that are searched for presets; the first match wins."""
    for _, folder in presets.folders():
        console.out(str(folder.absolute()))
    return 0
