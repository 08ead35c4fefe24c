"""Owns how long a batch takes: its first step, in which things are made ready, and the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdcli.engine import Step

_DEAR = 5.0  # seconds of making ready that people should know of


class Timing:
    """Told of every step of a batch that begins now."""

    def __init__(self) -> None:
        self._begun = self._first = self._last = time.monotonic()
        self._calls_first = self._calls = 0

    def step(self, step: Step) -> None:
        """It is done."""
        self._last, self._calls = time.monotonic(), step.evaluations
        if not self._calls_first:
            self._first, self._calls_first = self._last, self._calls

    @property
    def a_call(self) -> float | None:
        """Seconds for each model call after the first step; None where there were none."""
        took, calls = self._last - self._first, self._calls - self._calls_first
        return took / calls if calls > 0 else None

    def payback(self, before: float | None) -> str | None:
        """What compiling took, and when it pays back; None where it took next to nothing.

        `before` is what a call took without, if that is known.
        """
        if self.a_call is None:
            return None
        took = self._first - self._begun - self._calls_first * self.a_call
        if took < _DEAR:
            return None
        said = f"compiling took {took:.0f} s; a model call takes {self.a_call:.3g} s"
        if before is None:
            return f"{said}: compare it with a run without"
        if before <= self.a_call:
            return f"{said}, and {before:.3g} s without: it does not pay here"
        calls = took / (before - self.a_call)
        return f"{said}, and {before:.3g} s without: it pays back after {calls:.0f} calls"
