"""Owns the journal of a batch: which pictures are finished, known even if the process is killed.

A line is written before its picture appears, with the picture's path and its bytes' hash: so a file
that stands there with that hash is the one that was meant, and is whole, whenever the end came.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from .errors import OutputError, UsageError
from .files import in_folder

NAME = ".sdcli-journal.jsonl"


@dataclass(slots=True)
class Journal:
    """The journal of a folder; several processes may write it at once."""

    path: Path
    _known: dict[str, list[tuple[Path, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Journal:
        """With what it says so far. Raises UsageError if it cannot be read."""
        path = folder / NAME
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        known: dict[str, list[tuple[Path, str]]] = {}
        for line in lines:
            if entry := _entry(line):
                key, name, digest = entry
                known.setdefault(key, []).append((folder / name, digest))
        return cls(path, known)

    def finished(self, key: str) -> Path | None:
        """The picture of that key, if it still is what it was when it was made."""
        for path, digest in reversed(self._known.get(key, [])):
            try:
                if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
                    return path
            except OSError:  # removed, or moved: to be made again
                continue
        return None

    def begin(self, key: str, picture: Path, data: bytes) -> None:
        """Say that the picture of that key is about to appear. Raises OutputError."""
        name = os.path.relpath(picture, self.path.parent)
        entry = {"key": key, "path": name, "sha256": hashlib.sha256(data).hexdigest()}
        # One write of whole lines, so that two processes do not mix theirs; the first break ends a
        # line that another's death cut short.
        line = f"\n{json.dumps(entry)}\n".encode()
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            handle = in_folder(self.path.parent, lambda: os.open(self.path, flags, 0o666))
            try:
                if os.write(handle, line) < len(line):
                    raise OSError(None, "the disk is full")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error


def _entry(line: bytes) -> tuple[str, str, str] | None:
    """Key, path and hash; None for a line cut short."""
    try:
        found = json.loads(line)
        entry = found["key"], found["path"], found["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return entry if all(isinstance(part, str) for part in entry) else None
