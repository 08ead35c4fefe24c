"""`sdcli schedulers`: the table of schedules, or one of them in full."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app
from sdcli.cli.console import Console
from sdcli.sampling import SCHEDULES, Schedule, resolve_schedule
from sdcli.sampling.noise_tables import scaled_linear

app = new_app()


@command(app)
def schedulers(
    console: Console,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Show everything about this one.")
    ] = "",
    json: Json = False,
) -> int:
    """List the schedules, or show one in full."""
    rows = [resolve_schedule(name)] if name else list(SCHEDULES)
    if json:
        for row in rows:
            console.out_json(_facts(row))
    elif name:
        _one(console, rows[0])
    else:
        columns = ("SCHEDULE", "OPTIONS", "ADVICE")
        console.table(columns, [(row.name, _flags(row), row.advice) for row in rows], notes=True)
    return 0


def _facts(row: Schedule) -> dict[str, Any]:
    return {
        "name": row.name,
        "options": row.options(),
        "aliases": list(row.aliases),
        "advice": row.advice,
        "sigmas_10": list(row(10, table=scaled_linear())),
    }


def _flags(row: Schedule) -> str:
    return " ".join(f"--{key.replace('_', '-')}" for key in row.options()) or "none"


def _one(console: Console, row: Schedule) -> None:
    console.out(f"{row.name}: {row.advice}")
    sigmas = " ".join(f"{sigma:.4g}" for sigma in row(10, table=scaled_linear()))
    lines = {
        "options": _flags(row),
        "aliases": ", ".join(row.aliases) or "none",
        "10 steps": sigmas,
    }
    for label, text in lines.items():
        console.out(f"  {label:<9} {text}")
