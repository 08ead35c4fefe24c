"""The rows of a step and a decode on a CPU or Metal."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .race import OURS, THEIRS, TUNED, Failed, LeftOut, Row, Work
from .setup import COMPILED, Setup
from .worker import Worker, crew, racing


def rows(options: argparse.Namespace) -> Iterator[Row | LeftOut]:
    """Of each model and number format, so many pictures at once; with --compile compiled, too."""
    for name, model, size in options.models:
        for dtype in options.dtypes:
            label = f"{name}, {size}², {dtype}"
            setup = Setup(OURS, model, options.device, dtype, size)
            yield from tried(label, _eager(label, setup, options.pictures, options.steps))
            if options.compile:
                yield from tried(f"{label}, compiled", _compiled(label, setup, options.steps))


def tried(label: str, rows: Iterator[Row]) -> Iterator[Row | LeftOut]:
    """The rows, or why there are none."""
    try:
        yield from rows
    except Failed as failure:
        yield LeftOut(label, str(failure))


def _eager(label: str, setup: Setup, pictures: Sequence[int], steps: int) -> Iterator[Row]:
    with crew({who: replace(setup, who=who) for who in (OURS, THEIRS, TUNED)}) as workers:
        a_step, a_decode, peak = work(workers[THEIRS])
        for count in pictures:
            yield Row(
                f"{label}: step" + (f" × {count}" if count > 1 else ""),
                "ms",
                racing(workers, "step", pictures=count, steps=steps),
                parts=steps,
                work=Work(a_step * count, peak),
            )
        decode = racing(workers, "decode")
        yield Row(f"{label}: decode", "ms", decode, work=Work(a_decode, peak))


def _compiled(label: str, setup: Setup, steps: int) -> Iterator[Row]:
    """Beside the pipeline in the same format, and in bf16 beside its default as well."""
    fast = {who: replace(setup, who=who, mode=COMPILED) for who in (OURS, TUNED)}
    theirs = replace(setup, who=THEIRS)
    plain = {f"{label}, compiled: step": theirs}
    if setup.dtype == "bf16":
        plain[f"{label}, compiled: step / fp32"] = replace(theirs, dtype="fp32")
    with crew(fast) as compiled:
        for name, other in plain.items():
            with crew({THEIRS: other}) as slow:
                a_step, _, peak = work(compiled[TUNED])
                workers = {OURS: compiled[OURS], **slow, TUNED: compiled[TUNED]}
                columns = racing(workers, "step", pictures=1, steps=steps)
                yield Row(name, "ms", columns, steps, Work(a_step, peak))


def work(worker: Worker) -> tuple[float, float, float]:
    """FLOPs of a step and of a decode of one picture, and the peak of now."""
    a_step, a_decode = worker.ask("flops")
    return a_step, a_decode, worker.ask("peak")
