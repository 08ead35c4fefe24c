"""Owns `sdcli samplers`: the table of samplers, or one of them in full."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sdcli.sampling import SAMPLERS, Sampler, resolve

from . import ui
from .command import Json, command, new_app

app = new_app()


@command(app)
def samplers(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Tell all about this one.")] = "",
    json: Json = False,
) -> int:
    """List the samplers, or tell all about one."""
    if name:
        _one(resolve(name), json=json)
    elif json:
        for row in SAMPLERS:
            ui.out_json(_facts(row))
    else:
        columns = ("SAMPLER", "ORDER", "CALLS/STEP", "NOISE", "SCHEDULE", "ADVICE")
        ui.table(columns, [_cells(row) for row in SAMPLERS])
    return 0


def _cells(row: Sampler) -> tuple[str, ...]:
    noise = "each step" if row.stochastic else "start only"
    return (
        row.name,
        str(row.order),
        str(row.evaluations),
        noise,
        row.default_schedule,
        row.advice,
    )


def _facts(row: Sampler) -> dict[str, Any]:
    options = row.options | row.resolved_schedule.options()
    return {
        "name": row.name,
        "order": row.order,
        "evaluations_per_step": row.evaluations,
        "stochastic": row.stochastic,
        "default_schedule": row.default_schedule,
        "schedule": row.resolved_schedule.name,
        "options": {key: _plain(value) for key, value in options.items()},
        "aliases": list(row.aliases),
        "advice": row.advice,
    }


def _plain(value: Any) -> Any:
    return "inf" if value == float("inf") else value  # JSON has no infinity


def _one(row: Sampler, *, json: bool) -> None:
    facts = _facts(row)
    if json:
        ui.out_json(facts)
        return
    ui.out(f"{row.name}: {row.advice}")
    options = ", ".join(
        f"--{key.replace('_', '-')} ({'the model’s' if value is None else value})"
        for key, value in facts["options"].items()
    )
    lines = {
        "order": f"{row.order} (error falls by {2**row.order} when steps double)"
        if row.order
        else "none: more steps do not mean less error",
        "calls": _calls(row),
        "noise": "at each step" if row.stochastic else "at the start only",
        "schedule": f"{row.default_schedule} unless --scheduler says otherwise"
        if row.grid is None
        else f"its own: {row.grid.advice}",
        "options": options or "none",
        "aliases": ", ".join(row.aliases),
    }
    for label, text in lines.items():
        ui.out(f"  {label:<9} {text}")


def _calls(row: Sampler) -> str:
    total = row.total_evaluations(row.sigmas(20))
    if total is None:
        return "3 a try, as many tries as the picture needs"
    return f"{row.evaluations} a step, {total} in 20 steps"
