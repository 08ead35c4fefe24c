"""Owns looking up names that people type or pictures hold, of which some can be no file's."""

from __future__ import annotations

from pathlib import Path


def path_of(name: str) -> Path:
    """The path of that name, `~` being home; `~someone` as it is where there is no such user."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def is_file(path: Path) -> bool:
    """Whether it is a file; also for a name too long to be one, and where we may not look."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """The same of a folder."""
    try:
        return path.is_dir()
    except OSError:
        return False
