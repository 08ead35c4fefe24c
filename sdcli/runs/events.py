"""What is told while pictures are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sdcli.errors import SdcliError
from sdcli.images.compare import Likeness

if TYPE_CHECKING:
    from sdcli.engine import Picture, Step


class Reporter(Protocol):
    """What is told while pictures are made. Jobs are numbered from 1, rows as in their file."""

    def start(self, *, jobs: int, model: str, device: str, dtype: str) -> None:
        """The model is loaded; `jobs` pictures are to be made."""

    def more(self, jobs: int) -> None:
        """So many more pictures are to be made than was known at the start."""

    def step(self, job: int, batch: int, step: Step) -> None:
        """Pictures job … job+batch-1 have come one step further."""

    def picture(self, job: int, picture: Picture, *, row: int) -> None:
        """A picture is finished and saved at `picture.path`."""

    def row(self, row: int, paths: Sequence[Path], *, failed: int) -> None:
        """All of a row of a file is done: its pictures, and how many failed."""

    def fault(self, error: SdcliError) -> None:
        """Something is wrong that is no single picture's."""

    def sheet(self, path: Path) -> None:
        """A sheet or a table of all pictures stands at `path`."""

    def animation(self, path: Path, *, frames: int) -> None:
        """All pictures stand at `path` as one."""

    def compared(self, job: int, old: Path, found: Likeness, *, same: bool) -> None:
        """Job `job`'s picture was held against an `old` one; `same` that it is near enough."""

    def warning(self, message: str) -> None:
        """Something that a person should know."""

    def error(self, error: SdcliError, *, job: int, row: int) -> None:
        """Job `job` has failed; others go on."""

    def end(self, *, made: int, failed: int, never: int, skipped: int, seconds: float) -> None:
        """All is done, or was interrupted: `never` jobs were not tried.

        `skipped` are finished by an earlier run, or are another process's.
        """
