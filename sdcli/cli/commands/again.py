"""Owns `sdcli again`: pictures made again from their own text, and compared with what they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.execute import refusals, reporter_of
from sdcli.cli.flags import SizeFlag, parameters
from sdcli.cli.plan_table import PlanFlag, show
from sdcli.errors import Problems, UsageError
from sdcli.images.compare import likeness
from sdcli.images.formats import open_picture
from sdcli.runs.inputs import Words
from sdcli.runs.plan import Job, Plan, planned, together
from sdcli.runs.worker import make

if TYPE_CHECKING:
    from sdcli.engine import Picture

app = new_app()

_TOLERANCE = 1.0  # levels of 255: what rounding does from device to device, and in a batch


@command(app, more=parameters())
def again(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="PNG, JPEG or WebP.")],
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compare each with what it was.", rich_help_panel="Comparison"
        ),
    ] = False,
    tolerance: Annotated[
        str,
        option(
            "--tolerance",
            panel="Comparison",
            metavar="LEVELS",
            help="The greatest difference that is no failure, of 255 [default: 1].",
        ),
    ] = "",
    size: SizeFlag = "",
    json: Json = False,
    plan: PlanFlag = False,
    **typed: Any,
) -> int:
    """Make pictures again, from the settings in them.

    Any option changes them; your config and environment do not, but for where models are and
    pictures go. With --check the exit code is 1 if one differs by more than --tolerance.
    """
    problems = Problems()
    plans: list[Plan] = []
    old: list[Path] = []  # each job's, in their order
    with refusals(json=json):
        most = _tolerance(tolerance, check=check)
        for path in images:
            with problems.gather():
                words = Words("", (), path, size, typed, alone=True)
                found = planned(words, json=json, among=len(images))
                plans.append(found)
                old += [Path(path)] * len(found.jobs)
        problems.raise_if_any()
        whole = together(plans)
        if plan:
            return show(whole, json=json)
        reporter = reporter_of(json=json, paths=whole.target is not None)
        differing = 0

        def compare(job: Job, picture: Picture) -> None:
            nonlocal differing
            path = old[job.number - 1]
            alike = likeness(picture.image, open_picture(path))
            differing += alike.greatest > most
            reporter.compared(job.number, path, alike, same=alike.greatest <= most)

        code = make([whole], reporter, after=compare if check else None)
        return max(code, 1 if differing else 0)


def _tolerance(text: str, *, check: bool) -> float:
    if not text:
        return _TOLERANCE
    if not check:
        raise UsageError("--tolerance: nothing is compared", "add --check")
    try:
        found = float(text)
    except ValueError as error:
        raise UsageError(f"--tolerance: must be a number, got {text!r}") from error
    if not 0 <= found <= 255:
        raise UsageError(f"--tolerance: must be from 0 to 255, got {text}")
    return found
