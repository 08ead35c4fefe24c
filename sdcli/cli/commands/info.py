"""`sdcli info`: what made a picture, as text, JSON, a command or a preset."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app
from sdcli.cli.console import Console
from sdcli.cli.terminal.show import screen
from sdcli.errors import UsageError
from sdcli.images.formats import open_picture
from sdcli.prompts.wildcards import escaped
from sdcli.request import GenerationRequest
from sdcli.request.fields import flags_of
from sdcli.request.infotext.keys import COARSE, NUMBER_FORMAT, TEMPLATES
from sdcli.request.validate import validate
from sdcli.sources.layers import Layer, merge
from sdcli.sources.presets import preset_text, unsaid
from sdcli.sources.recipes import Recipe, read_recipe

app = new_app()


@command(app)
def info(
    console: Console,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="PNG, JPEG or WebP.")],
    json: Json = False,
    as_command: Annotated[
        bool,
        typer.Option("--as-command", help="Print a gen command line.", rich_help_panel="Output"),
    ] = False,
    as_preset: Annotated[
        bool, typer.Option("--as-preset", help="Print a preset file.", rich_help_panel="Output")
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Also show the picture in the terminal.", rich_help_panel="Output"
        ),
    ] = False,
) -> int:
    """Print the settings in a picture.

    Without options, print the text as the program that made the picture wrote it. The exit code is
    1 if a picture has none.
    """
    if json + as_command + as_preset > 1:
        raise UsageError("--json, --as-command and --as-preset exclude each other")
    recipes = [(path, read_recipe(Path(path))) for path in images]
    display = screen(console, console.warn) if show else None
    missing = False
    for position, (path, recipe) in enumerate(recipes):
        if display:
            display(open_picture(Path(path)))
        if recipe is None:
            missing = True
            console.warn(f"{path} has no settings in it")
            continue
        if json:
            console.out_json({"path": path, **_as_json(recipe, path)})
        elif as_command:
            console.out(_as_command(recipe, path, console))
        elif as_preset:
            console.out(_as_preset(recipe, path, console))
        else:
            if len(images) > 1:
                console.out(f"{'' if position == 0 else chr(10)}# {path}")
            console.out(recipe.text)
    return 1 if missing else 0


def _request(recipe: Recipe, path: str) -> dict[str, Any]:
    """Return the request's keys, checked and in canonical form."""
    merged = merge([Layer(f"picture {path}", recipe.values)])
    request = validate(GenerationRequest, {"seed": 0, **merged.values}, merged)
    return {key: getattr(request, key) for key in recipe.values}


def _as_json(recipe: Recipe, path: str) -> dict[str, Any]:
    try:
        request = _request(recipe, path)
    except UsageError as error:
        request = {"error": str(error)}
    return {
        "prompt": recipe.values.get("prompt", ""),
        "negative_prompt": recipe.values.get("negative_prompt", ""),
        "settings": dict(recipe.settings),
        "request": request,
        "not_honoured": dict(recipe.rest),
    }


def _tell_rest(recipe: Recipe, path: str, console: Console) -> None:
    if recipe.rest:
        console.warn(f"{path}: sdcli does not know {', '.join(recipe.rest)}")


def _as_command(recipe: Recipe, path: str, console: Console) -> str:
    request = _request(recipe, path)
    _tell_rest(recipe, path, console)
    words = ["sdcli", "gen", escaped(request.pop("prompt"))]
    typed = flags_of(GenerationRequest)
    for key, value in request.items():
        flag = typed[key]
        if value is True:
            words.append(flag.names[0])
        elif flag.repeatable:
            words += [word for each in value for word in (flag.names[0], str(each))]
        elif value is not None and value is not False and not unsaid(key, value):
            words += [flag.names[0], _typed(key, value)]
    if recipe.settings.get(NUMBER_FORMAT) == COARSE:
        words += ["--dtype", COARSE]
    return shlex.join(words)


def _typed(key: str, value: Any) -> str:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):  # a list of numbers
        return ",".join(map(str, value))
    return escaped(str(value)) if key in TEMPLATES else str(value)


def _as_preset(recipe: Recipe, path: str, console: Console) -> str:
    request = _request(recipe, path)
    _tell_rest(recipe, path, console)
    return preset_text(request)
