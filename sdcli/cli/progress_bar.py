"""Bars on a terminal: one of all pictures, and one of those that are being made; and their pace."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from sdcli.runs.protocols import PictureStep


_PERIOD = 600.0  # seconds whose speed tells what is left of all pictures


class Bars:
    """Shown until `stop`, and gone then; with one picture there is one bar."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[steps]:>7}"),
            TextColumn("[cyan]{task.fields[sigma]:<8}"),
            TextColumn("{task.fields[speed]:>10}"),
            TimeRemainingColumn(compact=True),
        )
        self._progress = Progress(
            *columns,
            console=console,
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
        """Show how far the run has come."""
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


class Pace:
    """Told of every step, it knows what people want to know; `jobs` pictures are to be made."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.finished = 0  # pictures that are through all of their steps
        self.begins = False  # whether the last step was its batch's first
        self.numbers = self.steps = self.sigma = self.speed = ""
        self.share = 0.0  # of the batch
        self._batch = self._evaluations = 0
        self._started = self._begun = time.monotonic()

    def step(self, job: int, batch: int, step: PictureStep) -> None:
        """Note that pictures job … job+batch-1 have made another step."""
        now = time.monotonic()
        numbers = str(job) if batch == 1 else f"{job}–{job + batch - 1}"
        self.begins = numbers != self.numbers or step.evaluations <= self._evaluations
        if self.begins:
            self._begun = now
        self.numbers, self.share = numbers, step.done
        self._batch, self._evaluations = batch, step.evaluations
        self.steps = str(step.index) if step.steps is None else f"{step.index}/{step.steps}"
        self.sigma = f"σ {step.sigma:.3g}"
        took = now - self._begun
        self.speed = f"{(step.index - 1) / took:.1f} it/s" if took > 0 else ""
        if step.done >= 1:
            self.finished += batch

    @property
    def done(self) -> float:
        """Pictures, those that are half made as halves."""
        return self.finished + (self._batch * self.share if self.share < 1 else 0)

    @property
    def remaining(self) -> str:
        """How long the rest will take if it goes on so; empty where nobody can tell."""
        if not 0 < self.done < self.jobs:
            return ""
        seconds = (time.monotonic() - self._started) * (self.jobs / self.done - 1)
        return spoken(seconds)


def spoken(seconds: float) -> str:
    """Return a rounded duration: 8 s, 20 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
