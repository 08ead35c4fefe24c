"""`sdcli gen`: pictures of one prompt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.console import Console
from sdcli.cli.execute import carry_out, host_of, refusals
from sdcli.cli.flags import GridFlag, PresetFlag, SizeFlag, SweepFlag, parameters
from sdcli.cli.plan_table import PlanFlag, show
from sdcli.runs.inputs import Inputs
from sdcli.runs.plan import combinations, plan_inputs, plan_sweep
from sdcli.runs.resolve import with_piped_prompt

app = new_app()


@command(app, more=parameters())
def gen(
    console: Console,
    text: Annotated[
        str, typer.Argument(metavar="PROMPT", help="What to draw; `-` or a pipe reads stdin.")
    ] = "",
    preset: PresetFlag = [],  # noqa: B006  # typer copies it
    picture: Annotated[
        str,
        option("--from", panel="Prompt", metavar="IMAGE", help="Take the settings of a picture."),
    ] = "",
    size: SizeFlag = "",
    sweep: SweepFlag = [],  # noqa: B006  # typer copies it
    grid: GridFlag = False,
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make pictures of one prompt.

    Each picture's path is printed as soon as it is saved.
    """
    inputs = Inputs(text, tuple(preset), picture, size, typed)
    host = host_of(console, json=json)
    with refusals(console, json=json):
        every = combinations(sweep)
        if sweep:  # and no combination asks the pipe again
            inputs = with_piped_prompt(replace(inputs, cell=every[0]), host)
        whole = plan_sweep(inputs, every, partial(plan_inputs, host=host, among=len(every)))
        if plan:
            return show(whole, console, json=json)
        return carry_out(whole, console, json=json, grid=grid)
