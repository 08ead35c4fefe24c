"""The terminal: stdout for results, stderr for people, and tables for both."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from sdcli.errors import SdcliError, UsageError, UsageErrors

if TYPE_CHECKING:
    import rich.console

    from sdcli.runs.events import Event

NARROW = 110  # columns of a terminal, below which a note has no column of its own


@dataclass(slots=True)
class _Waiting:
    """The spinner that is on the screen, if any."""

    spinner: AbstractContextManager[Any] | None = None


@dataclass(frozen=True)
class Console:
    """How one command says things, as its common flags want it."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    _waiting: _Waiting = field(default_factory=_Waiting, repr=False)

    def out(self, text: str) -> None:
        """Write a result to stdout at once: whoever reads a pipe should not wait for a buffer."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def out_json(self, value: Any) -> None:
        """Write a result to stdout as one line of JSON."""
        text = json.dumps(value, ensure_ascii=False)
        # Broken Unicode, of which stdout takes none, becomes what JSON writes for it: \ud800.
        self.out(text.encode(errors="backslashreplace").decode())

    def out_bytes(self, data: bytes) -> None:
        """Write a picture's bytes to stdout."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def say(self, text: str) -> None:
        """Tell a person something on stderr; nothing under --quiet."""
        if not self.quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Warn a person on stderr; not under --quiet."""
        self.say(f"{_styled('warning:', 'yellow')} {text}")

    def show_error(self, error: SdcliError) -> None:
        """Write an error, or each of several, to stderr: what, where, and the nearest fix."""
        for single in error.errors if isinstance(error, UsageErrors) else (error,):
            typer.echo(f"{_styled('error:', 'red')} {single.message}", err=True)
            if single.hint:
                typer.echo(f"  {single.hint}", err=True)

    def notify(self, event: Event) -> None:
        """Listen to what is told while a run is planned and a model is loaded."""
        from sdcli.runs.events import Busy, Idle, Notice

        match event:
            case Notice(text, warning=True):
                self.warn(text)
            case Notice(text):
                self.say(text)
            case Busy(doing):
                self._waiting.spinner = self.status(doing)
                self._waiting.spinner.__enter__()
            case Idle() if self._waiting.spinner:
                self._waiting.spinner.__exit__(None, None, None)
                self._waiting.spinner = None

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """Show that something takes a while: a spinner on a terminal, nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        with self.people.status(text):
            yield

    @cached_property
    def people(self) -> rich.console.Console:
        """rich's console on stderr, one for all: whatever it prints stands above its bar."""
        from rich.console import Console as RichConsole

        return RichConsole(stderr=True)

    def check_stdout(self, pictures: int) -> None:
        """Raise UsageError where the bytes of so many pictures cannot go to stdout."""
        if pictures != 1:
            raise UsageError(f"--output: - takes one picture, not {pictures}")
        if sys.stdout.isatty():
            raise UsageError(
                "--output: - would write an image's bytes to the terminal",
                "pipe them to a file or a program",
            )

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        title: str = "",
        notes: bool = False,
    ) -> None:
        """Print rows on stdout: drawn on a terminal, tab-separated in a pipe so that `cut` works.

        With `notes` the last column holds sentences; a narrow terminal has them beneath the first
        cell.
        """
        if piped():
            for row in (columns, *rows):
                self.out("\t".join(row))
            return
        from rich import box
        from rich.console import Console as RichConsole
        from rich.console import Group
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        terminal = RichConsole(highlight=False)
        beneath = notes and terminal.width < NARROW
        drawn = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 2, 0, 0),
            title=title or None,
            title_justify="left",
            title_style="bold",
        )
        for index, column in enumerate(columns[:-1] if beneath else columns):
            whole = not beneath if index == 0 else notes and column != columns[-1]
            drawn.add_column(column, no_wrap=whole, overflow="fold")
        for row in rows:
            if beneath:
                note = Padding(Text(row[-1], style="dim"), (0, 0, 0, 2))
                drawn.add_row(Group(Text(row[0]), note), *row[1:-1])
            else:
                drawn.add_row(*row)
        terminal.print(drawn)
        if title:
            terminal.print()  # between this table and the next


def piped() -> bool:
    """Return whether stdout is read by a program."""
    return not sys.stdout.isatty()


class Stdin:
    """Standard input, as the application sees it: a prompt may come from a pipe."""

    @property
    def piped(self) -> bool:
        """Whether something other than a person feeds it."""
        return sys.stdin is not None and not sys.stdin.isatty()

    def read(self) -> str:
        """Return all of it; empty where there is none."""
        return sys.stdin.read() if sys.stdin else ""

    def __iter__(self) -> Iterator[str]:
        return iter(sys.stdin)


def _styled(word: str, color: str) -> str:
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        return word
    return typer.style(word, fg=color, bold=True)
