"""A run for scripts: one JSON object a line on stdout."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from sdcli.errors import SdcliError, UsageErrors
from sdcli.runs import events
from sdcli.runs.events import Event

from .console import Console
from .report_text import of_picture


class JsonReport:
    """Listens to a run: one JSON object a line on stdout, "event" first; errors on stderr too."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        """Write the event, if scripts want it; a script that queues more pictures knows that."""
        match event:
            case events.Notice() | events.Busy() | events.Idle():
                self._console.notify(event)
            case events.Started():
                self._emit("start", **asdict(event))
            case events.Progress(job, batch, step):
                self._emit(
                    "progress",
                    job=job,
                    batch=batch,
                    step=step.index,
                    steps=step.steps,
                    sigma=step.sigma,
                    evals=step.evaluations,
                )
            case events.Saved(job, row, picture):
                tries = picture.tries
                counts = {"accepted": tries.accepted, "rejected": tries.rejected} if tries else {}
                self._emit(
                    "picture",
                    job=job,
                    row=row,
                    path=str(picture.path),
                    seed=picture.request.seed,
                    request=picture.request.model_dump(exclude_none=True),
                    seconds=round(picture.seconds, 4),
                    evals=picture.evaluations,
                    **counts,
                )
            case events.Compared(job, old, likeness, same):
                # A difference that cannot be told, of other sizes, is null.
                numbers = {k: v if isfinite(v) else None for k, v in asdict(likeness).items()}
                self._emit("check", job=job, old=str(old), same=same, **numbers)
            case events.Fault(error):
                self.refuse(error)
                self._console.show_error(error)
            case events.RowFinished(row, paths, failed):
                self._emit("row", row=row, paths=[str(path) for path in paths], failed=failed)
            case events.SheetSaved(path):
                self._emit("sheet", path=str(path))
            case events.AnimationSaved(path, frames):
                self._emit("animation", path=str(path), frames=frames)
            case events.Warned(text):
                self._emit("warning", message=text)
            case events.Failed(job, row, error):
                self._emit(
                    "error",
                    code=error.code,
                    message=error.message,
                    hint=error.hint,
                    job=job,
                    row=row,
                )
                self._console.show_error(of_picture(error, job, row))
            case events.Ended():
                skipped = event.skipped + event.never  # whatever was not tried
                counts = {"made": event.made, "failed": event.failed, "skipped": skipped}
                self._emit("end", **counts, seconds=round(event.seconds, 4))

    def refuse(self, error: SdcliError) -> None:
        """Write an error for each thing that is wrong with the command itself; it has no row."""
        for single in error.errors if isinstance(error, UsageErrors) else (error,):
            self._emit("error", code=single.code, message=single.message, hint=single.hint)

    def _emit(self, event: str, **fields: Any) -> None:
        self._console.out_json({"event": event, **fields})
