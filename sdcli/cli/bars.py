"""Owns the bars on a terminal: one of all pictures, and one of those that are being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from . import ui

if TYPE_CHECKING:
    from .pace import Pace

_PERIOD = 600.0  # seconds whose speed tells what is left of all pictures


class Bars:
    """Shown until `stop`, and gone then; with one picture there is one bar."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[steps]:>7}"),
            TextColumn("[cyan]{task.fields[sigma]:<8}"),
            TextColumn("{task.fields[speed]:>10}"),
            TimeRemainingColumn(compact=True),
        )
        self.console = ui.people()
        self._progress = Progress(
            *columns,
            console=self.console,
            speed_estimate_period=_PERIOD,
            redirect_stdout=False,  # it may be a pipe: its paths are no part of what people see
            transient=True,
            expand=True,
        )
        self._all, self._batch = (
            self._progress.add_task("", total=None, visible=shown, steps="", sigma="", speed="")
            for shown in (False, True)
        )
        self._progress.start()

    def move(self, pace: Pace) -> None:
        """As far as the run has come."""
        if pace.begins:  # and what the batch before took says nothing of this one
            self._progress.reset(self._batch)
        self._progress.update(
            self._batch,
            description=pace.numbers if pace.jobs > 1 else "",
            completed=pace.share,
            total=1,
            steps=pace.steps,
            sigma=pace.sigma,
            speed=pace.speed,
        )
        self._progress.update(
            self._all,
            description=f"{pace.finished} of {pace.jobs}",
            completed=pace.done,
            total=pace.jobs,
            visible=pace.jobs > 1,
        )

    def stop(self) -> None:
        """Take them away."""
        self._progress.stop()
