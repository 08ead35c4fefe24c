"""Owns `sdcli gen`: pictures of one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sdcli.sweeps import Cell

from .carrying import carry_out, refusals
from .command import Json, command, new_app, option
from .flags import PresetFlag, SizeFlag, parameters
from .outlook import PlanFlag, show
from .planning import planned
from .sweeping import swept
from .words import Words

app = new_app()


@command(app, more=parameters())
def gen(
    text: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to draw; `-` or a pipe: from stdin.")
    ] = "",
    preset: PresetFlag = [],  # noqa: B006  # typer copies it
    picture: Annotated[
        str,
        option("--from", panel="Prompt", metavar="IMAGE", help="Take a picture's settings."),
    ] = "",
    size: SizeFlag = "",
    sweep: Annotated[
        list[str],
        option(
            "--sweep",
            panel="Sampling",
            metavar="KEY=VALUES",
            help="Every one of them: steps=10,20 or sampler=Euler|DDIM; may be repeated.",
        ),
    ] = [],  # noqa: B006  # typer copies it
    grid: Annotated[
        bool,
        typer.Option(
            "--grid", help="A sheet of all pictures, and results.csv.", rich_help_panel="Output"
        ),
    ] = False,
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make pictures of one prompt.

    The path of each picture is printed on stdout as soon as it is saved.
    """
    words = Words(text, tuple(preset), picture, size, typed)
    with refusals(json=json):
        cells: Sequence[Cell] = ()
        if sweep:
            both = swept(words, sweep, json=json)
            found, cells = both.plan, both.cells
        else:
            found = planned(words, json=json)
        if plan:
            return show(found, json=json)
    return carry_out(found, json=json, sheet=cells if grid else None)
