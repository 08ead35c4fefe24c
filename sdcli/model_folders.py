"""Owns the words for the folders where a user's models are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Kind = Literal["checkpoint", "vae", "lora", "embedding"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Only:
    """A folder all of whose files are of one kind; `option` is what named it."""

    path: Path
    kind: Kind
    option: str


Folders: TypeAlias = Sequence[Path | Only]
"""A bare path is a models folder, with a place for each kind."""
