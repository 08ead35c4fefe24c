"""`sdcli samplers`: the table of samplers, or one of them in full."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app
from sdcli.cli.completion import samplers as sampler_names
from sdcli.cli.console import Console, piped
from sdcli.sampling import GROUPS, SAMPLERS, SHELF, Sampler, resolve

app = new_app()

COLUMNS = ("SAMPLER", "ORDER", "CALLS", "NOISE", "SETTLES", "SCHEDULE", "ADVICE")


@command(app)
def samplers(
    console: Console,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Show everything about this one.", autocompletion=sampler_names
        ),
    ] = "",
    json: Json = False,
) -> int:
    """List the samplers, or show one in full."""
    if name:
        _one(console, resolve(name), json=json)
    elif json:
        for row in (*SAMPLERS, *SHELF):
            console.out_json(_facts(row))
    elif piped():
        console.table(COLUMNS, [_cells(row) for row in (*SAMPLERS, *SHELF)])
    else:
        for title, rows in GROUPS.items():
            console.table(COLUMNS, [_cells(row) for row in rows], title=title, notes=True)
    return 0


def _cells(row: Sampler) -> tuple[str, ...]:
    return (
        row.name,
        str(row.order or "–"),
        str(row.evaluations),
        "each step" if row.stochastic else "start",
        row.settles,
        row.default_schedule,
        row.advice,
    )


def group_of(row: Sampler) -> str:
    """Return the title of the group that a sampler is listed in."""
    return next(title for title, rows in GROUPS.items() if any(row.name == r.name for r in rows))


def _facts(row: Sampler) -> dict[str, Any]:
    options = row.options | row.resolved_schedule.options()
    return {
        "name": row.name,
        "group": group_of(row),
        "order": row.order,
        "evaluations_per_step": row.evaluations,
        "stochastic": row.stochastic,
        "settles": row.settles,
        "default_schedule": row.default_schedule,
        "schedule": row.resolved_schedule.name,
        "options": {key: _plain(value) for key, value in options.items()},
        "aliases": list(row.aliases),
        "advice": row.advice,
    }


def _plain(value: Any) -> Any:
    return "inf" if value == float("inf") else value  # JSON has no infinity


def _one(console: Console, row: Sampler, *, json: bool) -> None:
    facts = _facts(row)
    if json:
        console.out_json(facts)
        return
    console.out(f"{row.name}: {row.advice}")
    options = ", ".join(
        f"--{key.replace('_', '-')} ({'the model’s' if value is None else value})"
        for key, value in facts["options"].items()
    )
    lines = {
        "order": _order(row),
        "calls": _calls(row),
        "noise": "at each step" if row.stochastic else "at the start only",
        "settles": SETTLES[row.settles],
        "schedule": f"{row.default_schedule} unless --scheduler says otherwise"
        if row.grid is None
        else f"its own: {row.grid.advice}",
        "options": options or "none",
        "aliases": ", ".join(row.aliases),
    }
    for label, text in lines.items():
        console.out(f"  {label:<9} {text}")


SETTLES = {
    "yes": "yes: more steps come ever closer to one picture",
    "slowly": "slowly: its noise is one path, which more steps follow more closely",
    "never": "never: another number of steps is another picture",
}


def _order(row: Sampler) -> str:
    if row.order:
        return f"{row.order} (error falls by {2**row.order} when steps double)"
    return "not measured" if row.scheduler else "none"


def _calls(row: Sampler) -> str:
    if row.scheduler:
        return f"about {row.evaluations} a step, by diffusers' {row.scheduler}"
    total = row.total_evaluations(row.sigmas(20))
    if total is None:
        return "3 a try, as many tries as the picture needs"
    return f"{row.evaluations} a step, {total} in 20 steps"
