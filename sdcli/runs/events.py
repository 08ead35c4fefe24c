"""What happens on the way from a command to its pictures, as typed events.

Text for people, lines of JSON and later front ends are listeners that render them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sdcli.errors import SdcliError
from sdcli.images.compare import Likeness
from sdcli.request.settings import Settings

from .protocols import PictureResult, PictureStep


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know while a run is planned and a model is loaded."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """Something begins that takes a while, such as "loading builtin"; `Idle` ends it."""

    doing: str


@dataclass(frozen=True, slots=True)
class Idle:
    """What `Busy` announced is over, whether it succeeded or not."""


@dataclass(frozen=True, slots=True)
class Queued:
    """So many more pictures are to be made, as these settings say.

    `insists` if --show was typed for this very command, not only kept in the config.
    """

    jobs: int
    settings: Settings
    insists: bool


@dataclass(frozen=True, slots=True)
class Started:
    """The first model is loaded, and `jobs` pictures are queued by now."""

    jobs: int
    model: str
    device: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Pictures job … job + batch - 1, numbered from 1, have come one step further."""

    job: int
    batch: int
    step: PictureStep


@dataclass(frozen=True, slots=True)
class Saved:
    """The picture of a job, in line `row` of its file, is finished and stands at its path."""

    job: int
    row: int
    picture: PictureResult


@dataclass(frozen=True, slots=True)
class Failed:
    """A job has failed; others go on."""

    job: int
    row: int
    error: SdcliError


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong that is no single picture's, such as a row that cannot be read."""

    error: SdcliError


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a person should know of a run under way."""

    text: str


@dataclass(frozen=True, slots=True)
class RowFinished:
    """All pictures of a row are saved or have failed."""

    row: int
    paths: tuple[Path, ...]
    failed: int


@dataclass(frozen=True, slots=True)
class SheetSaved:
    """A sheet or a table of all pictures stands at `path`."""

    path: Path


@dataclass(frozen=True, slots=True)
class AnimationSaved:
    """All pictures stand at `path` as one."""

    path: Path
    frames: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A job's picture beside an `old` one; `same` if they are near enough."""

    job: int
    old: Path
    likeness: Likeness
    same: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over, or was interrupted: `never` jobs were not tried.

    `skipped` are finished by an earlier run, or are another process's.
    """

    made: int
    failed: int
    never: int
    skipped: int
    seconds: float


Event: TypeAlias = (
    Notice
    | Busy
    | Idle
    | Queued
    | Started
    | Progress
    | Saved
    | Failed
    | Fault
    | Warned
    | RowFinished
    | SheetSaved
    | AnimationSaved
    | Compared
    | Ended
)

Listener = Callable[[Event], None]
"""Hears every event in its order, from one thread at a time."""


def deaf(event: Event) -> None:
    """Listen to nothing."""
