"""The processes that the sides of a race run in, all alive and one at work at a time.

Each has memory, settings of torch and compiled code of its own, so that none lends another what its
user would not have.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from typing import Any, Self

from .race import Column, Failed, Sample
from .setup import Setup


class Worker:
    """A process that has loaded a model and measures what it is asked to."""

    def __init__(self, setup: Setup) -> None:
        self._talk = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - __exit__ does
        words = [sys.executable, "-m", "benchmarks.speed.side", json.dumps(asdict(setup))]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._talk, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it; its memory is free from then on."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):  # it has ended by itself
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._talk.close()

    def answer(self) -> Any:
        """Wait for the next answer; the first one is that the model is there. Raises Failed."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._talk.seek(0)
            last = (self._talk.read().strip().splitlines() or ["it said nothing"])[-1]
            raise Failed(f"its process ended with {code}: {last}")
        found = json.loads(line)
        if "failed" in found:
            raise Failed(found["failed"])
        return found["answer"]

    def ask(self, job: str, **how: object) -> Any:
        """What a job of `side.py` gives. Raises Failed."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # the answer tells why
            self._process.stdin.write(json.dumps({"job": job, **how}) + "\n")
            self._process.stdin.flush()
        return self.answer()

    def column(self, job: str, **how: object) -> Column:
        """What measures that job, again and again."""
        return lambda: Sample(*self.ask(job, **how))


@contextmanager
def crew(setups: Mapping[str, Setup]) -> Iterator[dict[str, Worker]]:
    """A worker a setup, loaded at the same time. Raises Failed with the name of one that is not."""
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(setup)) for name, setup in setups.items()}
        for name, worker in workers.items():
            try:
                worker.answer()
            except Failed as failure:
                raise Failed(f"{name}: {failure}") from failure
        yield workers


def racing(workers: Mapping[str, Worker], job: str, **how: object) -> dict[str, Column]:
    """The same job of each of them, as a row's columns."""
    return {who: worker.column(job, **how) for who, worker in workers.items()}
