"""Owns `sdcli gen`: pictures of one prompt."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli import models, presets
from sdcli.errors import SdcliError
from sdcli.flag import flags_of
from sdcli.models.hashes import Told
from sdcli.models.library import find_lora, in_texts, library
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, SCHEDULES
from sdcli.settings import Settings

from . import ui
from .command import Json, command, new_app, option
from .making import Destination, make
from .planning import Plan, Words, planned
from .progress import Events, People, Reporter
from .wall import crossing

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
            if shown not in (None, "", False, ()) and not field.is_required():
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
                if flag.repeatable:
                    annotation, default = Annotated[list[str], chosen], []
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
    words = Words(text, tuple(preset), picture, size, typed)
    try:
        plan = planned(words, json=json)
    except SdcliError as error:
        if json:
            Events().refused(error)
        raise
    hashes = _hashes(plan)
    reporter: Reporter = Events() if json else People(show_paths=plan.settings.output != "-")
    with ui.status(f"loading {plan.folder.name}"):
        engine = load_engine(plan.folder, plan.settings)
    last = preset[-1] if preset else ""
    destination = Destination(plan.target, plan.settings, last, hashes, plan.wording)
    try:
        return make(engine, plan.requests, destination, reporter)
    except SdcliError as error:  # which only a loaded model could tell
        if json:
            Events().refused(error)
        raise


def _hashes(plan: Plan) -> Told:
    """Of the files that make the pictures of this plan."""
    if plan.settings.no_metadata:
        return Told()
    model, folders = plan.folder, plan.settings.models_folders
    known = {item.name: item.path for item in library(folders, "embedding")}
    texts = {text for each in plan.requests for text in (each.prompt, each.negative_prompt)}
    used = in_texts(known, texts)
    return Told(
        model=None if model.header is None else model.path,
        vae=model.vae.path if model.vae else None,
        loras={tag.name: find_lora(tag.name, folders) for tag in plan.networks},
        embeddings={name: known[name] for name in used},
    )


def load_engine(folder: models.Model, settings: Settings) -> Engine:
    """Cross the wall: import torch and load the weights."""
    with crossing():
        from sdcli.engine import Engine

        return Engine.of(
            folder,
            device=settings.device,
            dtype=settings.dtype,
            offload=settings.offload,
            folders=settings.models_folders,
        )
