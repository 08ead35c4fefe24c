"""`sdcli again`: pictures made again from their own text, and compared with what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.console import Console
from sdcli.cli.execute import host_of, refusals, report
from sdcli.cli.flags import SizeFlag, parameters
from sdcli.cli.plan_table import PlanFlag, show
from sdcli.errors import Problems, UsageError
from sdcli.images.compare import likeness
from sdcli.images.formats import open_picture
from sdcli.runs.events import Compared
from sdcli.runs.inputs import Inputs
from sdcli.runs.plan import Job, Plan, joined, plan_inputs
from sdcli.runs.protocols import PictureResult
from sdcli.runs.worker import make

app = new_app()

_TOLERANCE = 1.0  # levels of 255: what rounding does from device to device, and in a batch


@command(app, more=parameters())
def again(
    console: Console,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="PNG, JPEG or WebP.")],
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compare each picture with the original.", rich_help_panel="Comparison"
        ),
    ] = False,
    tolerance: Annotated[
        str,
        option(
            "--tolerance",
            panel="Comparison",
            metavar="LEVELS",
            help="Largest difference to accept, of 255 [default: 1].",
        ),
    ] = "",
    size: SizeFlag = "",
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make pictures again from the settings in them.

    Any option overrides them. Your config and environment do not, except for where models are and
    where pictures go. With --check, the exit code is 1 if a picture differs by more than
    --tolerance.
    """
    problems = Problems()
    plans: list[Plan] = []
    old: list[Path] = []  # each job's, in their order
    host = host_of(console, json=json)
    with refusals(console, json=json):
        most = _tolerance(tolerance, check=check)
        for path in images:
            with problems.gather():
                inputs = Inputs(picture=path, size=size, flags=typed, alone=True)
                own = plan_inputs(inputs, host, among=len(images))
                plans.append(own)
                old += [Path(path)] * len(own.jobs)
        problems.raise_if_any()
        whole = joined(plans)
        if plan:
            return show(whole, console, json=json)
        listener = report(console, json=json, paths=whole.target is not None)
        differing = 0

        def compare(job: Job, picture: PictureResult) -> None:
            nonlocal differing
            path = old[job.number - 1]
            difference = likeness(picture.image, open_picture(path))
            same = difference.greatest <= most
            differing += not same
            listener(Compared(job.number, path, difference, same))

        after = compare if check else None
        code = make([whole], listener, after=after, write=console.out_bytes)
        return max(code, 1 if differing else 0)


def _tolerance(text: str, *, check: bool) -> float:
    if not text:
        return _TOLERANCE
    if not check:
        raise UsageError("--tolerance works only with --check", "add --check")
    try:
        found = float(text)
    except ValueError as error:
        raise UsageError(f"--tolerance: must be a number, got {text!r}") from error
    if not 0 <= found <= 255:
        raise UsageError(f"--tolerance: must be from 0 to 255, got {text}")
    return found
