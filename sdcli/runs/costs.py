"""How fast pictures were made before: a plan tells by it how long it will take, and batches
how many pictures are worth making at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path

from sdcli.files import write_atomically
from sdcli.request import GenerationRequest

from .protocols import PictureStep

Costs = Mapping[int, float]
"""Seconds that a model call took for each picture, by how many were made at once."""


class Speeds:
    """The costs of the last runs, by model and size, and by the way in which they ran.

    A way is a device, a number format and the like; the last one comes last. The file may be lost.
    """

    def __init__(self, known: dict[str, dict[str, dict[str, float]]]) -> None:
        self._known = known

    @staticmethod
    def _path() -> Path:
        return user_cache_path("sdcli", appauthor=False) / "speeds.json"

    @classmethod
    def read(cls) -> Speeds:
        """Return what is remembered; nothing if there is no file, or one of another form."""
        try:
            content = json.loads(cls._path().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        return cls(content if _good(content) else {})

    def costs(self, model: str, request: GenerationRequest, native: int, way: str) -> Costs:
        """Return the costs of pictures like the request's, made in that way; empty if none were."""
        known = self._known.get(_key(model, request, native), {}).get(way, {})
        return {int(count): seconds for count, seconds in known.items()}

    def of(self, model: str, request: GenerationRequest, native: int) -> float | None:
        """Return the least cost of the last way; None if none is known."""
        ways = list(self._known.get(_key(model, request, native), {}).values())
        return min(ways[-1].values()) if ways else None

    def learn(
        self,
        model: str,
        request: GenerationRequest,
        native: int,
        way: str,
        seconds: float,
        *,
        at_once: int = 1,
    ) -> None:
        """Know what a call took for each of so many pictures."""
        ways = self._known.setdefault(_key(model, request, native), {})
        ways[way] = {**ways.pop(way, {}), str(at_once): round(seconds, 5)}

    def keep(self) -> None:
        """Remember all that is known."""
        try:
            self._path().parent.mkdir(parents=True, exist_ok=True)
            data = json.dumps(self._known, indent=0).encode()
            write_atomically(self._path(), data, overwrite=True)
        except OSError:  # a cache that cannot be written costs only the estimate
            return


def _good(content: object) -> bool:
    return isinstance(content, dict) and all(
        isinstance(costs, dict)
        and costs
        and all(count.isdecimal() and isinstance(s, float) for count, s in costs.items())
        for ways in content.values()
        for costs in (ways.values() if isinstance(ways, dict) else [ways])
    )


def _key(model: str, request: GenerationRequest, native: int) -> str:
    every = f" every {request.deep_cache}" if request.deep_cache > 1 else ""
    return f"{model} {request.width or native}x{request.height or native}{every}"


_DEAR = 5.0  # seconds of making ready that people should know of


class Timing:
    """Told of every step of a batch that begins now."""

    def __init__(self) -> None:
        self._begun = self._first = self._last = time.monotonic()
        self._calls_first = self._calls = 0

    def step(self, step: PictureStep) -> None:
        """Note the time of a finished step."""
        self._last, self._calls = time.monotonic(), step.evaluations
        if not self._calls_first:
            self._first, self._calls_first = self._last, self._calls

    @property
    def a_call(self) -> float | None:
        """Seconds for each model call after the first step; None where there were none."""
        took, calls = self._last - self._first, self._calls - self._calls_first
        return took / calls if calls > 0 else None

    def payback(self, before: float | None) -> str | None:
        """Return what compiling took, and when it pays back; None where it took next to nothing.

        `before` is what a call took without, if that is known.
        """
        if self.a_call is None:
            return None
        took = self._first - self._begun - self._calls_first * self.a_call
        if took < _DEAR:
            return None
        text = f"compiling took {took:.0f} s; a model call takes {self.a_call:.3g} s"
        if before is None:
            return f"{text}: compare it with a run without --compile"
        text += f", and {before:.3g} s without --compile"
        if before <= self.a_call:
            return f"{text}: compiling does not pay off here"
        calls = took / (before - self.a_call)
        return f"{text}: compiling pays off after {calls:.0f} calls"
