"""Owns `sdcli info`: what made a picture, as text, JSON, a command or a preset."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from sdcli.config import to_toml
from sdcli.errors import UsageError
from sdcli.fields import flags_of
from sdcli.layers import Layer, merge, validate
from sdcli.metadata import PictureText, read_text, to_values
from sdcli.picture_files import read_file
from sdcli.presets import PRESET_KEYS
from sdcli.prompts.wildcards import escaped
from sdcli.request import GenerationRequest

from . import ui
from .command import Json, command, new_app

app = new_app()


@command(app)
def info(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="PNG, JPEG or WebP.")],
    json: Json = False,
    as_command: Annotated[
        bool,
        typer.Option("--as-command", help="As a gen command line.", rich_help_panel="Output"),
    ] = False,
    as_preset: Annotated[
        bool, typer.Option("--as-preset", help="As a preset file.", rich_help_panel="Output")
    ] = False,
) -> int:
    """Print what made a picture.

    Without options: the picture's own text, in A1111's layout. Exit code 1 if a picture has none.
    """
    if json + as_command + as_preset > 1:
        raise UsageError("--json, --as-command and --as-preset exclude each other")
    texts = [(path, read_file(Path(path))) for path in images]
    missing = False
    for position, (path, text) in enumerate(texts):
        if text is None:
            missing = True
            ui.warn(f"{path} has no settings in it")
            continue
        taken = read_text(text)
        if json:
            ui.out_json({"path": path, **_as_json(taken, path)})
        elif as_command:
            ui.out(_as_command(taken, path))
        elif as_preset:
            ui.out(_as_preset(taken, path))
        else:
            if len(images) > 1:
                ui.out(f"{'' if position == 0 else chr(10)}# {path}")
            ui.out(text)
    return 1 if missing else 0


def _request(taken: PictureText, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The request's keys, checked and in canonical form, and what cannot be honoured."""
    values, rest = to_values(taken)
    merged = merge([Layer(f"picture {path}", values)])
    request = validate(GenerationRequest, {"seed": 0, **merged.values}, merged)
    return {key: getattr(request, key) for key in values}, rest


def _as_json(taken: PictureText, path: str) -> dict[str, Any]:
    try:
        request, rest = _request(taken, path)
    except UsageError as error:
        request, rest = {"error": str(error)}, {}
    return {
        "prompt": taken.prompt,
        "negative_prompt": taken.negative_prompt,
        "settings": dict(taken.settings),
        "request": request,
        "not_honoured": rest,
    }


def _tell_rest(rest: dict[str, str], path: str) -> None:
    if rest:
        ui.warn(f"{path}: sdcli does not know {', '.join(rest)}")


def _as_command(taken: PictureText, path: str) -> str:
    request, rest = _request(taken, path)
    _tell_rest(rest, path)
    words = ["sdcli", "gen", escaped(request.pop("prompt"))]
    typed = flags_of(GenerationRequest)
    for key, value in request.items():
        if value is True:
            words.append(typed[key].names[0])
        elif value not in (None, "", False, ()):
            whole = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            whole = escaped(whole) if key == "negative_prompt" else whole
            words += [typed[key].names[0], whole]
    return shlex.join(words)


def _as_preset(taken: PictureText, path: str) -> str:
    request, rest = _request(taken, path)
    _tell_rest(rest, path)
    return "\n".join(
        to_toml(key, value)
        for key, value in request.items()
        if key in PRESET_KEYS and value not in (None, "", ())
    )
