"""Owns `sdcli again`: pictures made again from their own text, and compared with what they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli.errors import Problems, UsageError
from sdcli.likeness import likeness
from sdcli.picture_files import open_picture

from .carrying import refusals, reporter_of
from .command import Json, command, new_app, option
from .flags import SizeFlag, parameters
from .making import make
from .outlook import PlanFlag, show
from .planning import Job, Plan, planned, together
from .words import Words

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
