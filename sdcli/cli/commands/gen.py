"""Owns `sdcli gen`: pictures of one prompt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.execute import carry_out, refusals
from sdcli.cli.flags import GridFlag, PresetFlag, SizeFlag, SweepFlag, parameters
from sdcli.cli.plan_table import PlanFlag, show
from sdcli.runs.inputs import Words
from sdcli.runs.plan import combinations, planned, swept
from sdcli.runs.resolve import with_piped_prompt

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
    sweep: SweepFlag = [],  # noqa: B006  # typer copies it
    grid: GridFlag = False,
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make pictures of one prompt.

    The path of each picture is printed on stdout as soon as it is saved.
    """
    words = Words(text, tuple(preset), picture, size, typed)
    with refusals(json=json):
        every = combinations(sweep)
        if sweep:  # and no combination asks the pipe again
            words = with_piped_prompt(replace(words, cell=every[0]))
        found = swept(words, every, partial(planned, json=json, among=len(every)))
        if plan:
            return show(found, json=json)
        return carry_out(found, json=json, grid=grid)
