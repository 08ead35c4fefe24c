"""Brownian noise: for each image a path over σ that belongs to its seed.

The values are those of torchsde's BrownianTree as A1111 uses it (tolerance 1e-6, pool of 24), but
only what a query needs is computed, for all images at once.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sdcli.engine.device import upload
from sdcli.sampling import Noise
from sdcli.sampling.protocols import Sigmas

from .streams import Shape, open_stream

DIGITS = 6  # after the point: how finely the tree tells σ's apart
POOL = 24
REMEMBERED = 4  # points of the path: a step asks for its ends, and its middle, more than once


class BrownianNoise:
    """The Noise of a batch: unit-variance increments of each image's own Brownian path.

    The path runs over the σ's of the whole schedule, from the least above 0 to the greatest. It is
    a binary tree of intervals (the "virtual Brownian tree" of Li et al. 2020): where an interval is
    halved, the value in its middle is drawn from the seed of that node alone, so the path does not
    depend on where, and in what order, it is asked.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Shape,
        *,
        source: str,
        device: torch.device,
        sigmas: Sigmas,
    ) -> None:
        positive = [sigma for sigma in sigmas if sigma > 0]
        low, high = min(positive), max(positive)
        self._seeds, self._shape, self._source, self._device = seeds, shape, source, device
        whole = self._draw(None, count=3) * math.sqrt(high - low)
        root = _Interval(0, 0, round(low, DIGITS), round(high, DIGITS), whole)
        # The intervals around the last point asked for, each with the path's value at its start:
        # the next point lies in most of them.
        self._around = [(root, torch.zeros_like(whole))]
        self._points: OrderedDict[float, Tensor] = OrderedDict()

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor:
        """Return the increment from σ to σ_next over the root of the distance."""
        return upload(self.drawn(sigma, sigma_next), self._device)

    def drawn(self, sigma: float, sigma_next: float, /) -> Tensor:
        """Return the same, still where the source draws: on the CPU, or on the card for "gpu"."""
        change = self._at(sigma_next) - self._at(sigma)
        return change / math.sqrt(abs(sigma - sigma_next))

    def _at(self, sigma: float) -> Tensor:
        """Return the path's value at σ: (images, *shape), 0 at the least σ."""
        root = self._around[0][0]
        point = min(max(round(sigma, DIGITS), root.start), root.end)
        if point not in self._points:
            self._points[point] = self._walk_to(point)
            if len(self._points) > REMEMBERED:
                self._points.popitem(last=False)
        self._points.move_to_end(point)
        return self._points[point]

    def _walk_to(self, point: float) -> Tensor:
        while not self._around[-1][0].holds(point):
            self._around.pop()
        interval, value = self._around[-1]
        while point not in (interval.start, interval.end):
            left, right = self._halves(interval)
            if point <= left.end:
                interval = left
            else:
                interval, value = right, value + left.increment
            self._around.append((interval, value))
        return value + interval.increment if point == interval.end else value

    def _halves(self, whole: _Interval) -> tuple[_Interval, _Interval]:
        """Draw a Brownian bridge through the middle of the interval."""
        middle = round(0.5 * (whole.start + whole.end), DIGITS)
        before, after = middle - whole.start, whole.end - middle
        length = whole.end - whole.start
        drawn = self._draw((whole.key, whole.depth), count=4)
        first = drawn.mul_(math.sqrt(before * after / length))
        first = first.add_(whole.increment, alpha=before / length)
        key, depth = 2 * whole.key, whole.depth + 1
        return (
            _Interval(key, depth, whole.start, middle, first),
            _Interval(key + 1, depth, middle, whole.end, whole.increment - first),
        )

    def _draw(self, place: tuple[int, int] | None, *, count: int) -> Tensor:
        """Draw each image's own noise for one node of its tree, on the device of the source.

        `count` is how many words torchsde asks of the seed sequence; the first is the noise's seed.
        """
        drawn = []
        for seed in self._seeds:
            sequence = np.random.SeedSequence(entropy=seed, spawn_key=place or (), pool_size=POOL)
            word = int(sequence.generate_state(count)[0])
            drawn.append(open_stream(self._source, word, self._device).next(self._shape))
        return torch.stack(drawn)


@dataclass(frozen=True, slots=True)
class _Interval:
    """A node of the tree: its place (`key` at `depth`), its ends, and the path's change over it."""

    key: int
    depth: int
    start: float
    end: float
    increment: Tensor

    def holds(self, point: float) -> bool:
        return self.start <= point <= self.end


CPU = torch.device("cpu")
WINDOW = 3  # draws ahead: a step of two asks for two, and a third is under way

Way = tuple[float, float]  # σ, σ_next


class Ahead:
    """The Noise that `noise` draws, on `device`, for a run that asks for `ways` in this order.

    A point of a Brownian path takes some twenty draws, all on the host; whoever asks for it mostly
    finds it finished. Any other way can be asked too, and is waited for.
    """

    def __init__(
        self,
        noise: Noise[Tensor],
        ways: Iterable[Way],
        device: torch.device = CPU,
    ) -> None:
        self._noise = noise
        self._device = device  # which the thread that asks alone uses: see `device.one_thread`
        self._ways = iter(ways)
        self._drawn: deque[tuple[Way, Future[Tensor]]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="noise")
        for _ in range(WINDOW):
            self._begin_next()

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor:
        """Return what `noise` returns, on the device."""
        way = (sigma, sigma_next)
        if self._drawn and self._drawn[0][0] == way:
            _, drawn = self._drawn.popleft()
            self._begin_next()
        else:
            drawn = self._thread.submit(self._noise, *way)
        return upload(drawn.result(), self._device)

    def _begin_next(self) -> None:
        if way := next(self._ways, None):
            self._drawn.append((way, self._thread.submit(self._noise, *way)))
