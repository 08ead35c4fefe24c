"""The rows of memory: the most that a whole process holds, from its start to a picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks.loading import held as held_by_process

from .race import OURS, THEIRS, Column, LeftOut, Row, Sample
from .setup import Setup
from .worker import crew

_STEPS = 2


def held(device: str) -> float:
    """The most memory that this process has held, bytes: on a card the card's, else its own."""
    if not device.startswith("cuda"):
        return held_by_process()
    import torch

    return float(torch.cuda.max_memory_allocated())


def rows(options: argparse.Namespace) -> Iterator[Row | LeftOut]:
    """Of loading, two steps and a decode, in each number format."""
    for name, model, size in options.models:
        for dtype in options.dtypes:
            columns = {
                who: _column(Setup(who, model, options.device, dtype, size))
                for who in (OURS, THEIRS)
            }
            label = f"{name}, {size}², {dtype}: peak memory"
            yield Row(label, "GiB", columns, warm=False, most=1)


def _column(setup: Setup) -> Column:
    def measure() -> Sample:
        with crew({setup.who: setup}) as workers:
            workers[setup.who].ask("picture", pictures=1, steps=_STEPS)
            return Sample(*workers[setup.who].ask("held"))

    return measure
