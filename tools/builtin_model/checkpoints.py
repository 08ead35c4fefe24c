"""Checkpoints on disk: written whole or not at all, so that an interrupted run can always go on."""

import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint next to its place, then move it there in one step."""
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    os.replace(draft, path)  # noqa: PTH105 - the point is the atomic replacement


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint, or nothing if there is none yet."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
