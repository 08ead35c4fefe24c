"""The rows of a CUDA card: steps a second, pictures a second, and the arithmetic's share.

Time is by the card's own events, peak memory the card's; both stand in the worker, where the work
is. `memory.py` has the rows of memory for every device.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from . import giant
from .networks import tried, work
from .race import OURS, THEIRS, TUNED, LeftOut, Row, Work
from .setup import BOTH, COMPILED, EAGER, GRAPHS, Setup
from .worker import crew, racing

# How the tuned pipeline runs beside each way of ours: it has no graphs unless it is compiled.
_TUNED = {EAGER: EAGER, GRAPHS: EAGER, COMPILED: COMPILED, BOTH: BOTH}
_WHOLE = 8  # pictures at once, from the prompt to pixels


def rows(options: argparse.Namespace) -> Iterator[Row | LeftOut]:
    """Of each model and number format, eager, with graphs, and with --compile compiled."""
    modes = (EAGER, GRAPHS, *((COMPILED, BOTH) if options.compile else ()))
    for (name, model, size), dtype, mode in product(options.models, options.dtypes, modes):
        label = f"{name}, {size}², {dtype}, {mode}"
        setup = Setup(OURS, model, options.device, dtype, size, mode)
        pictures = [1] if name == giant.NAME else options.pictures
        yield from tried(label, _raced(label, setup, pictures, options.steps))


def _raced(label: str, setup: Setup, pictures: Sequence[int], steps: int) -> Iterator[Row]:
    setups = {
        OURS: setup,
        THEIRS: replace(setup, who=THEIRS, mode=EAGER),
        TUNED: replace(setup, who=TUNED, mode=_TUNED[setup.mode]),
    }
    with crew(setups) as workers:
        a_step, a_decode, peak = work(workers[THEIRS])
        for count in pictures:
            columns = racing(workers, "step", pictures=count, steps=steps)
            yield Row(f"{label} × {count}", "it/s", columns, steps, Work(a_step * count, peak))
        whole = min(_WHOLE, max(pictures))
        columns = racing(workers, "picture", pictures=whole, steps=steps)
        arithmetic = a_step * steps + a_decode
        yield Row(f"{label}, all × {whole}", "img/s", columns, whole, Work(arithmetic, peak))
        if setup.mode == EAGER:
            columns = racing(workers, "decode")
            yield Row(f"{label}: decode", "ms", columns, work=Work(a_decode, peak))
