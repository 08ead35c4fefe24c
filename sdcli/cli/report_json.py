"""Owns how a run is reported to scripts: one JSON object a line on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcli.errors import SdcliError, UsageErrors
from sdcli.images.compare import Likeness

from . import console as ui
from .report_text import of_picture

if TYPE_CHECKING:
    from sdcli.engine import Picture, Step


class Events:
    """One JSON object a line on stdout, "event" first; errors on stderr as well."""

    def start(self, *, jobs: int, model: str, device: str, dtype: str) -> None:
        """{"event": "start", …}"""
        self._emit("start", jobs=jobs, model=model, device=device, dtype=dtype)

    def more(self, jobs: int) -> None:
        """No event: a script that sends more knows it."""

    def step(self, job: int, batch: int, step: Step) -> None:
        """{"event": "progress", …}; `job` is the first of `batch` made at once."""
        self._emit(
            "progress",
            job=job,
            batch=batch,
            step=step.index,
            steps=step.steps,
            sigma=step.sigma,
            evals=step.evaluations,
        )

    def picture(self, job: int, picture: Picture, *, row: int) -> None:
        """{"event": "picture", …}; `request` makes it again."""
        self._emit(
            "picture",
            job=job,
            row=row,
            path=str(picture.path),
            seed=picture.request.seed,
            request=picture.request.model_dump(exclude_none=True),
            seconds=round(picture.seconds, 4),
            evals=picture.evaluations,
            **({} if picture.tries is None else asdict(picture.tries)),
        )

    def compared(self, job: int, old: Path, found: Likeness, *, same: bool) -> None:
        """{"event": "check", …}; a difference that cannot be told, of other sizes, is null."""
        numbers = {key: value if isfinite(value) else None for key, value in asdict(found).items()}
        self._emit("check", job=job, old=str(old), same=same, **numbers)

    def fault(self, error: SdcliError) -> None:
        """{"event": "error", …} of no job."""
        self.refused(error)
        ui.show_error(error)

    def row(self, row: int, paths: Sequence[Path], *, failed: int) -> None:
        """{"event": "row", …}"""
        self._emit("row", row=row, paths=[str(path) for path in paths], failed=failed)

    def sheet(self, path: Path) -> None:
        """{"event": "sheet", …}"""
        self._emit("sheet", path=str(path))

    def animation(self, path: Path, *, frames: int) -> None:
        """An event of its own."""
        self._emit("animation", path=str(path), frames=frames)

    def warning(self, message: str) -> None:
        """{"event": "warning", …}"""
        self._emit("warning", message=message)

    def error(self, error: SdcliError, *, job: int, row: int) -> None:
        """{"event": "error", …}"""
        self._emit(
            "error", code=error.code, message=error.message, hint=error.hint, job=job, row=row
        )
        ui.show_error(of_picture(error, job, row))

    def refused(self, error: SdcliError) -> None:
        """{"event": "error", …} for each thing that is wrong with the command itself; no row."""
        for single in error.errors if isinstance(error, UsageErrors) else (error,):
            self._emit("error", code=single.code, message=single.message, hint=single.hint)

    def end(self, *, made: int, failed: int, never: int, skipped: int, seconds: float) -> None:
        """{"event": "end", …}; whatever was not tried is skipped."""
        counts = {"made": made, "failed": failed, "skipped": skipped + never}
        self._emit("end", **counts, seconds=round(seconds, 4))

    def _emit(self, event: str, **fields: Any) -> None:
        ui.out_json({"event": event, **fields})
