"""Owns `sdcli gen`: pictures of one prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli import models, presets
from sdcli.errors import SdcliError
from sdcli.models.hashes import Told
from sdcli.models.library import find_lora, in_texts, library
from sdcli.settings import Settings

from . import ui
from .command import Json, command, new_app, option
from .flags import parameters
from .making import Destination, make
from .planning import Plan, planned
from .progress import Events, People, Reporter
from .understanding import Words
from .wall import crossing

if TYPE_CHECKING:
    from sdcli.engine import Engine

app = new_app()


@command(app, more=parameters())
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
    last = preset[-1] if preset else ""
    destination = Destination(plan.target, plan.settings, last, hashes_of(plan), plan.wording)
    reporter: Reporter = Events() if json else People(show_paths=plan.settings.output != "-")
    with ui.status(f"loading {plan.folder.name}"):
        engine = load_engine(plan.folder, plan.settings)
    try:
        return make(engine, plan.requests, destination, reporter)
    except SdcliError as error:  # which only a loaded model could tell
        if json:
            Events().refused(error)
        raise


def hashes_of(plan: Plan) -> Told:
    """Of the files that make the pictures of this plan."""
    if plan.settings.no_metadata:
        return Told()
    model, folders = plan.folder, plan.settings.models_folders
    known = {item.name: item.path for item in library(folders, "embedding")}
    texts = {text for each in plan.requests for text in each.texts}
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
