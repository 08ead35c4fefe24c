"""Owns noise drawn ahead: a thread works on the next draws while the model works on this step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from sdcli.sampling import Noise

WINDOW = 3  # draws ahead: a step of two asks for two, and a third is under way

Way = tuple[float, float]  # σ, σ_next


class Ahead:
    """The same Noise as `noise`, for a run that is known to ask for `ways` in this order.

    A point of a Brownian path takes some twenty draws, all on the host; whoever asks for it mostly
    finds it finished. Any other way can be asked too, and is waited for.
    """

    def __init__(self, noise: Noise[Tensor], ways: Iterable[Way]) -> None:
        self._noise = noise
        self._ways = iter(ways)
        self._drawn: deque[tuple[Way, Future[Tensor]]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="noise")
        for _ in range(WINDOW):
            self._begin_next()

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor:
        """What `noise` returns."""
        way = (sigma, sigma_next)
        if self._drawn and self._drawn[0][0] == way:
            _, drawn = self._drawn.popleft()
            self._begin_next()
        else:
            drawn = self._thread.submit(self._noise, *way)
        return drawn.result()

    def _begin_next(self) -> None:
        if way := next(self._ways, None):
            self._drawn.append((way, self._thread.submit(self._noise, *way)))
