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
from sdcli.text_rows import TEMPLATES

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
        flag = typed[key]
        if value is True:
            words.append(flag.names[0])
        elif flag.repeatable:
            words += [word for each in value for word in (flag.names[0], str(each))]
        elif value is not None and value is not False and not _unsaid(key, value):
            words += [flag.names[0], _typed(key, value)]
    return shlex.join(words)


def _unsaid(key: str, value: Any) -> bool:
    """Whether it is empty, and says no more than if it were left out."""
    return value in ("", ()) and value == GenerationRequest.model_fields[key].default


def _typed(key: str, value: Any) -> str:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):  # a list of numbers
        return ",".join(map(str, value))
    return escaped(str(value)) if key in TEMPLATES else str(value)


def _as_preset(taken: PictureText, path: str) -> str:
    request, rest = _request(taken, path)
    _tell_rest(rest, path)
    return "\n".join(
        to_toml(key, value)
        for key, value in request.items()
        if key in PRESET_KEYS and value is not None and not _unsaid(key, value)
    )
