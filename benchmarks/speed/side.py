"""One side of a race, in a process of its own: loads a model, then does a job a line.

The parent writes {"job": name, …} and reads {"answer": …} or {"failed": reason}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

from .clock import clock
from .race import OURS, TUNED, Failed
from .setup import Setup


class Side(Protocol):
    """What is raced."""

    def step(self, pictures: int, steps: int) -> object:
        """Steps of so many pictures at once, from a prompt that has been read to latents."""

    def picture(self, pictures: int, steps: int) -> object:
        """From the prompt to pixels."""

    def decode(self) -> object:
        """Latents of one picture to pixels."""


def main() -> None:
    """Load, say so, and work until the parent closes the pipe."""
    # What libraries print goes to stderr: stdout is for answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    setup = Setup(**json.loads(sys.argv[1]))

    def answer(work: Callable[[], Any]) -> bool:
        try:
            told = {"answer": work()}
        except Failed as failure:
            told = {"failed": str(failure)}
        except Exception as error:  # whatever it is, the parent tells it in the row's place
            reason = (str(error).strip().splitlines() or [""])[0]
            told = {"failed": f"{type(error).__name__}: {reason}"}
        answers.write(json.dumps(told) + "\n")
        return "answer" in told

    jobs: dict[str, Callable[..., Any]] = {}
    if answer(lambda: jobs.update(_jobs(setup))):
        for line in sys.stdin:
            how = json.loads(line)
            job = jobs[how.pop("job")]
            answer(lambda job=job, how=how: job(**how))  # type: ignore[misc]


def _jobs(setup: Setup) -> dict[str, Callable[..., Any]]:
    if ":" in setup.device:
        import torch

        torch.cuda.set_device(setup.device)  # whose events are to be timed
    side = _opened(setup)
    timed = clock(setup.device)

    def flops() -> tuple[float, float]:
        from .flops import of_decode, of_step

        return of_step(setup.model, setup.size), of_decode(setup.model, setup.size)

    def peak() -> float:
        from .peak import peak

        return peak(setup.device, setup.dtype)

    def held() -> tuple[float]:
        from .memory import held

        return (held(setup.device),)

    return {
        "step": lambda **how: timed(lambda: side.step(**how)),
        "picture": lambda **how: timed(lambda: side.picture(**how)),
        "decode": lambda: timed(side.decode),
        "flops": flops,
        "peak": peak,
        "held": held,
    }


def _opened(setup: Setup) -> Side:
    if setup.who == OURS:
        from .ours import Ours

        return Ours(setup)
    from .theirs import Theirs

    return Theirs(setup, tuned=setup.who == TUNED)


if __name__ == "__main__":
    main()
