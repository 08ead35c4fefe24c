"""A stand-in for the recorder of CUDA graphs: it works again what it was given to record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from sdcli.engine.speed.graphs import Replay


class Recorder:
    """In the place of a card's: counts recordings and replays."""

    def __init__(self) -> None:
        self.recordings = self.replays = 0

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        """Works once, and again at each replay."""
        self.recordings += 1
        answer = work().clone()

        def replay() -> None:
            self.replays += 1
            answer.copy_(work())

        return replay, answer
