"""The host of the application: what it reaches beyond its inputs, a terminal's or a server's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sdcli.errors import UsageError
from sdcli.notices import Say

from .catalogue import Catalogue
from .events import Listener, Notice, deaf


class PipedText(Protocol):
    """Text that may come from a pipe."""

    @property
    def piped(self) -> bool:
        """Whether there is a pipe."""

    def read(self) -> str:
        """Read all of it, which can be done once."""


def no_stdout(pictures: int) -> None:
    """Refuse `--output -`, which has a meaning on the command line alone. Raises UsageError."""
    raise UsageError("--output: - is for the command line", "name a file or a folder")


@dataclass(frozen=True)
class Host:
    """Where an application runs.

    `notify` hears what a person should know, `stdin` may hold a prompt, and `check_stdout` raises
    UsageError where so many pictures cannot go to stdout. The `catalogue` is read once.
    """

    notify: Listener = deaf
    stdin: PipedText | None = None
    check_stdout: Callable[[int], None] = no_stdout
    catalogue: Catalogue = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "catalogue", Catalogue(self.say, self.warn))

    @property
    def say(self) -> Say:
        """Takes a line that a person should know."""
        return lambda text: self.notify(Notice(text))

    @property
    def warn(self) -> Say:
        """Takes a warning."""
        return lambda text: self.notify(Notice(text, warning=True))
