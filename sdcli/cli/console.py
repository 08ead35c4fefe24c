"""Owns the terminal: stdout for results, stderr for people, and tables for both."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from sdcli.errors import SdcliError, UsageErrors

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class _Settings:
    quiet: bool = False
    verbose: bool = False
    debug: bool = False


settings = _Settings()
_people: Console | None = None


def configure(*, quiet: bool, verbose: bool, debug: bool) -> None:
    """Set how much is told, from the common flags."""
    global settings, _people
    settings = _Settings(quiet, verbose, debug)
    _people = None  # it looks at the environment once


def out(text: str) -> None:
    """A result, on stdout, at once: whoever reads a pipe should not wait for a buffer."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def out_json(value: Any) -> None:
    """A result as one line of JSON on stdout."""
    text = json.dumps(value, ensure_ascii=False)
    # Broken Unicode, of which stdout takes none, becomes what JSON writes for it: \ud800.
    out(text.encode(errors="backslashreplace").decode())


def say(text: str) -> None:
    """For a person, on stderr; nothing under --quiet."""
    if not settings.quiet:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    """A warning, on stderr."""
    say(f"{_styled('warning:', 'yellow')} {text}")


def show_error(error: SdcliError) -> None:
    """An error, or each of several, on stderr: what, where, and the nearest fix."""
    for single in error.errors if isinstance(error, UsageErrors) else (error,):
        typer.echo(f"{_styled('error:', 'red')} {single.message}", err=True)
        if single.hint:
            typer.echo(f"  {single.hint}", err=True)


def _styled(word: str, colour: str) -> str:
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        return word
    return typer.style(word, fg=colour, bold=True)


@contextmanager
def status(text: str) -> Iterator[None]:
    """Show that something takes a while: a spinner on a terminal, nothing elsewhere."""
    if settings.quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def console() -> Console:
    """rich's console on stdout."""
    from rich.console import Console

    return Console(highlight=False)


def people() -> Console:
    """rich's console on stderr, one for all: whatever it prints stands above its bar."""
    from rich.console import Console

    global _people
    _people = _people or Console(stderr=True)
    return _people


def piped() -> bool:
    """Whether stdout is read by a program."""
    return not sys.stdout.isatty()


NARROW = 110  # columns of a terminal, below which a note has no column of its own


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    notes: bool = False,
) -> None:
    """Rows on stdout: drawn on a terminal, tab-separated in a pipe so that `cut` works.

    With `notes` the last column holds sentences; a narrow terminal has them beneath the first cell.
    """
    if piped():
        for row in (columns, *rows):
            out("\t".join(row))
        return
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    terminal = console()
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
