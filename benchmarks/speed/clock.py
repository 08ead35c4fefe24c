"""How a call is timed: by the wall, the processor, or a card's own events."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from .race import Failed, Sample

Call = Callable[[], object]


def clocked(call: Call, who: int = resource.RUSAGE_SELF) -> Sample:
    """By the wall, and by the processor time of this process or of its children."""
    before, started = _busy(who), time.perf_counter()
    call()
    return Sample(time.perf_counter() - started, _busy(who) - before)


def process(*words: str) -> Sample:
    """A Python process from its start to its exit. Raises Failed for one that fails."""
    command = [sys.executable, *words]
    return of_process(lambda: subprocess.run(command, check=True, capture_output=True, text=True))


def of_process(call: Call) -> Sample:
    """A call that runs a process, by that one's processor time. Raises Failed if it fails."""
    try:
        return clocked(call, resource.RUSAGE_CHILDREN)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Failed(f"its process ended with {error.returncode}: {last}") from error


def by_events(call: Call, cuda: Any) -> Sample:
    """By a card's events around what the call gave it to do; `cuda` is `torch.cuda`."""
    started, ended = (cuda.Event(enable_timing=True) for _ in range(2))
    cuda.synchronize()
    before = _busy(resource.RUSAGE_SELF)
    started.record()
    call()
    ended.record()
    cuda.synchronize()
    return Sample(started.elapsed_time(ended) / 1000, _busy(resource.RUSAGE_SELF) - before)


def clock(device: str) -> Callable[[Call], Sample]:
    """What times calls that work on that device."""
    import torch

    def on_metal(call: Call) -> Sample:
        def whole() -> None:
            call()
            torch.mps.synchronize()

        torch.mps.synchronize()
        return clocked(whole)

    if device.startswith("cuda"):
        return lambda call: by_events(call, torch.cuda)
    return on_metal if device == "mps" else clocked


def _busy(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime
