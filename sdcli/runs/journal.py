"""The journal of a batch: which pictures are finished, known even if the process is killed.

A line is written before its picture appears, with the picture's path and its bytes' hash: so a file
that stands there with that hash is the one that was meant, and is whole, whenever the end came.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdcli.errors import OutputError, UsageError
from sdcli.files import in_folder
from sdcli.models import Model
from sdcli.models.hashes import digest_of

NAME = ".sdcli-journal.jsonl"


@dataclass(slots=True)
class Journal:
    """The journal of a folder; several processes may write it at once."""

    path: Path
    _known: dict[str, list[tuple[Path, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Journal:
        """Read what it says so far. Raises UsageError if it cannot be read."""
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
        """Return the picture of that key, if it still is what it was when it was made."""
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
    """Parse a line to key, path and hash; None for a line cut short."""
    try:
        entry = json.loads(line)
        entry = entry["key"], entry["path"], entry["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return entry if all(isinstance(part, str) for part in entry) else None


class Entry(Protocol):
    """A job as the journal sees it."""

    @property
    def number(self) -> int:
        """Its place in the plan, from 1."""

    @property
    def identity(self) -> str:
        """What is asked for."""

    @property
    def model(self) -> Model:
        """The model that it is made with."""


class Keys:
    """The keys of jobs: of what is asked for, of the model's files, of those alike before.

    Neither the job's number nor its row is in them, so rows may be added to a file and moved.
    """

    def __init__(self, jobs: Iterable[Entry]) -> None:
        counts: Counter[str] = Counter()
        self._before: dict[int, int] = {}
        for job in jobs:
            self._before[job.number] = counts[job.identity]
            counts[job.identity] += 1
        self._models: list[tuple[Model, str]] = []

    def of(self, job: Entry) -> str:
        """Return 64 hexadecimal digits. Raises ModelError where a model's file cannot be read."""
        parts = (job.identity, self._digest(job.model), str(self._before[job.number]))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _digest(self, model: Model) -> str:
        for known, digest in self._models:
            if known == model:
                return digest
        self._models.append((model, digest_of(model)))
        return self._models[-1][1]
