"""Owns `sdcli gen`: pictures of one prompt. Everything that can be wrong is told before torch."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli import config, models, presets
from sdcli.errors import Problems, UsageError
from sdcli.flag import flags_of
from sdcli.jobs import expand, parse_seeds
from sdcli.layers import Layer, Merged, merge, validate
from sdcli.metadata import read_text, to_values, write_text
from sdcli.output import Target
from sdcli.picture_files import check_fits, read_file
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, SCHEDULES
from sdcli.settings import Settings

from . import ui
from .command import Json, command, new_app, option
from .making import Destination, make
from .progress import Events, People, Reporter

if TYPE_CHECKING:
    from sdcli.engine import Engine

app = new_app()


def _parameters() -> list[Parameter]:
    """A parameter for each field of the schemas, so that no flag is written down twice."""
    found = []
    for schema in (GenerationRequest, Settings):
        for name, flag in flags_of(schema).items():
            field = schema.model_fields[name]
            shown = field.get_default()
            help = str(field.description)
            if shown not in (None, "", False) and not field.is_required():
                help += f" [default: {shown}]"
            if field.annotation is bool:
                annotation: Any = Annotated[
                    bool, typer.Option(*flag.names, help=help, rich_help_panel=flag.panel)
                ]
                default: Any = False
            else:
                chosen = option(
                    *flag.names,
                    panel=flag.panel,
                    metavar=flag.metavar,
                    help=help,
                    autocompletion=_COMPLETIONS.get(name),
                )
                annotation, default = Annotated[str, chosen], None
            found.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
    return found


_COMPLETIONS = {
    "sampler": lambda: [row.name for row in SAMPLERS],
    "scheduler": lambda: [row.name for row in SCHEDULES],
}


@command(app, more=_parameters())
def gen(
    text: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to draw; `-` or a pipe: from stdin.")
    ] = "",
    preset: Annotated[
        list[str],
        option(
            "--preset",
            panel="Prompt",
            metavar="NAME",
            help="Named settings; may be repeated, later ones win.",
            autocompletion=lambda: [found.name for found in presets.presets()],
        ),
    ] = [],  # noqa: B006  # typer copies it
    picture: Annotated[
        str,
        option("--from", panel="Prompt", metavar="IMAGE", help="Take a picture's settings."),
    ] = "",
    size: Annotated[
        str, option("--size", panel="Picture", metavar="WxH", help="Width and height at once.")
    ] = "",
    json: Json = False,
    **typed: Any,
) -> int:
    """Make pictures of one prompt.

    The path of each picture is printed on stdout as soon as it is saved.
    """
    problems = Problems()
    layers = []
    with problems.gather():
        layers.append(config.read())
    for name in preset:
        with problems.gather():
            layers.append(presets.find(name).layer())
    if picture:
        with problems.gather():
            layers.append(_picture_layer(picture))
    layers.append(config.environment())
    with problems.gather():
        layers.append(_flags(text, size, typed))
    merged = merge(layers)
    if not problems:  # a person who must type again should not have waited for a pipe to end
        with problems.gather():
            merged = _with_stdin(merged)

    seeds = [0]
    with problems.gather():
        seeds = parse_seeds(merged.values.get("seed", -1))
    settings = base = target = None
    with problems.gather():
        settings = validate(Settings, merged.values, merged)
    with problems.gather():
        base = validate(GenerationRequest, {**merged.values, "seed": seeds[0]}, merged)
    if settings:
        pictures = len(seeds) * settings.count
        with problems.gather():
            target = _target(settings, pictures, json=json)
    problems.raise_if_any()
    assert settings is not None
    assert base is not None
    requests = expand(base, seeds, count=settings.count)
    if not settings.no_metadata:
        check_fits(write_text(base), settings.file_format)
    folder = models.find(base.model, offline=settings.offline, say=ui.say)

    reporter: Reporter = Events() if json else People(show_paths=settings.output != "-")
    with ui.status(f"loading {folder.name}"):
        engine = load_engine(folder, settings)
    return make(
        engine,
        requests,
        Destination(target, settings, preset[-1] if preset else ""),
        reporter,
    )


def load_engine(folder: models.ModelFolder, settings: Settings) -> Engine:
    """Cross the wall: import torch and load the weights."""
    from sdcli.engine import Engine

    return Engine.of(folder, device=settings.device, dtype=settings.dtype)


def _picture_layer(path: str) -> Layer:
    text = read_file(Path(path))
    if text is None:
        raise UsageError(f"--from: {path} has no settings in it")
    values, rest = to_values(read_text(text))
    if rest:
        ui.warn(f"--from {path}: sdcli does not know {', '.join(rest)}")
    return Layer(f"picture {path}", values)


def _flags(text: str, size: str, typed: Mapping[str, Any]) -> Layer:
    """What was typed, and only that, as the topmost layer."""
    values = {key: value for key, value in typed.items() if value not in (None, False)}
    if text:
        if "prompt" in values:
            raise UsageError("the prompt is given twice", "leave out --prompt or the argument")
        values["prompt"] = text
    if size:
        match = re.fullmatch(r"(\d+)\s*[xX×]\s*(\d+)", size)
        if not match:
            raise UsageError(f"--size: {size!r} is no size", "write it as 512x768")
        if values.keys() & {"width", "height"}:
            raise UsageError("--size and --width or --height contradict each other")
        values |= {"width": match[1], "height": match[2]}
    return Layer("", values)


def _with_stdin(merged: Merged) -> Merged:
    """The prompt from standard input: for `-`, or where there is none and a pipe feeds us."""
    prompt = merged.values.get("prompt")
    if prompt != "-" and (prompt is not None or sys.stdin is None or sys.stdin.isatty()):
        return merged
    text = sys.stdin.read() if sys.stdin else ""
    if prompt == "-" and not text.strip():
        raise UsageError("--prompt: nothing came from standard input")
    return Merged({**merged.values, "prompt": text.strip()}, merged.origins)


def _target(settings: Settings, pictures: int, *, json: bool) -> Target | None:
    if settings.output != "-":
        return Target.of(settings, pictures)
    if json:
        raise UsageError("--output: - and --json both want stdout", "give --output a file")
    if pictures != 1:
        raise UsageError(f"--output: - takes one picture, not {pictures}")
    if sys.stdout.isatty():
        raise UsageError(
            "--output: - would write an image's bytes to the terminal", "pipe them somewhere"
        )
    return None
