"""What an operation tells on its way: a line for people, through whatever it was given for that."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line that a person should know."""


def silent(message: str) -> None:
    """Say nothing."""
