"""Owns how fast pictures were made before, so that a plan can tell how long it will take."""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_cache_path

from .files import write_atomically
from .request import GenerationRequest


class Speeds:
    """Seconds a model call, by model and size, of the last runs. The file may be lost."""

    def __init__(self, known: dict[str, float]) -> None:
        self._known = known

    @staticmethod
    def _path() -> Path:
        return user_cache_path("sdcli", appauthor=False) / "speeds.json"

    @classmethod
    def read(cls) -> Speeds:
        """What is remembered; nothing if there is no file, or one cut short."""
        try:
            found = json.loads(cls._path().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        good = isinstance(found, dict) and all(isinstance(s, float) for s in found.values())
        return cls(found if good else {})

    def of(self, model: str, request: GenerationRequest, native: int) -> float | None:
        """Seconds for a call of one picture; None if none like it was made."""
        return self._known.get(_key(model, request, native))

    def keep(self, model: str, request: GenerationRequest, native: int, seconds: float) -> None:
        """Remember a run's seconds for a call of one picture."""
        self._known[_key(model, request, native)] = round(seconds, 5)
        try:
            self._path().parent.mkdir(parents=True, exist_ok=True)
            data = json.dumps(self._known, indent=0).encode()
            write_atomically(self._path(), data, overwrite=True)
        except OSError:  # a cache that cannot be written costs only the estimate
            return


def _key(model: str, request: GenerationRequest, native: int) -> str:
    every = f" every {request.deep_cache}" if request.deep_cache > 1 else ""
    return f"{model} {request.width or native}x{request.height or native}{every}"
