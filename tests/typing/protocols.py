"""Checked by mypy: the engine and the fake one are both what runs ask for."""

from __future__ import annotations

from fakes import FakeEngine

from sdcli.engine import Engine
from sdcli.runs.protocols import PictureEngine


def engines(real: Engine, fake: FakeEngine) -> list[PictureEngine]:
    """Return both, as one kind."""
    return [real, fake]
