"""The rows of loading: from a process's start until a model's weights are in memory."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.loading import drop, in_its_own_process

from .clock import of_process
from .race import OURS, THEIRS, Column, LeftOut, Row, Sample

_FORMS = {"single file": "file", "folder": "folder"}


def rows(options: argparse.Namespace) -> Iterator[Row | LeftOut]:
    """Of one of Stable Diffusion 1's size, its files in the system's cache and not."""
    name = "start to ready, fp16"
    if options.work is None:
        yield LeftOut(name, "it wants --work, a folder for 4 GB of weights")
        return
    for state in ("warm", "cold"):
        for form, kind in _FORMS.items():
            row = f"{name} {form}, {state}"
            if state == "cold" and not hasattr(os, "posix_fadvise"):
                yield LeftOut(row, "this system cannot be asked to forget a file")
                continue
            columns = {
                who: _column(f"{whose}_{kind}", options.work, cold=state == "cold")
                for who, whose in {OURS: "ours", THEIRS: "theirs"}.items()
            }
            yield Row(row, "s", columns, warm=state == "warm")


def _column(kind: str, work: Path, *, cold: bool) -> Column:
    def measure() -> Sample:
        if cold:
            drop(work)
        return of_process(lambda: in_its_own_process(kind, work))

    return measure
