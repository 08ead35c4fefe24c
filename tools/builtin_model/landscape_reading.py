"""Reading landscapes back: time of day and terrain, from a picture's colour statistics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .landscapes import TERRAINS, TIMES, Landscape
from .scenes import draw, invent

Features = NDArray[np.floating[Any]]

THUMBNAIL = 16  # pixels a side
RIDGE = 100.0
FIRST_SCENE = 500_000  # far from the numbers that models are trained and asked with


@dataclass(frozen=True)
class LandscapeReader:
    """Two linear classifiers by ridge regression, fitted to drawn landscapes alone."""

    centre: Features
    spread: Features
    times: Features  # (features + 1, names)
    terrains: Features

    @classmethod
    def fitted(cls, scenes: int = 3000) -> Self:
        """Learn from that many landscapes, drawn for it."""
        numbered = (invent(number) for number in count(FIRST_SCENE))
        drawn = list(islice((s for s in numbered if isinstance(s, Landscape)), scenes))
        raw = _features(draw(scene) for scene in drawn)
        centre, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-6
        values = _with_one((raw - centre) / spread)
        square = values.T @ values + RIDGE * np.eye(values.shape[1])

        def solved(truth: Sequence[str], names: Sequence[str]) -> Features:
            target = np.array([[name == true for name in names] for true in truth], np.float64)
            solution: Features = np.linalg.solve(square, values.T @ target)
            return solution

        return cls(
            centre,
            spread,
            solved([scene.time for scene in drawn], TIMES),
            solved([scene.terrain for scene in drawn], TERRAINS),
        )

    def read(self, pictures: Iterable[Image.Image]) -> list[tuple[str, str]]:
        """Each picture's time of day and terrain."""
        values = _with_one((_features(pictures) - self.centre) / self.spread)
        times, terrains = (values @ part for part in (self.times, self.terrains))
        return [
            (TIMES[time], TERRAINS[terrain])
            for time, terrain in zip(times.argmax(axis=1), terrains.argmax(axis=1), strict=True)
        ]


def _features(pictures: Iterable[Image.Image]) -> Features:
    """A thumbnail, and each of its rows' mean and spread: (N, features)."""
    size = (THUMBNAIL, THUMBNAIL)
    small = np.stack(
        [np.asarray(p.convert("RGB").resize(size, Image.Resampling.BOX)) for p in pictures]
    ).astype(np.float64)
    parts = (small, small.mean(axis=2), small.std(axis=2))
    return np.concatenate([part.reshape(len(small), -1) for part in parts], axis=1)


def _with_one(values: Features) -> Features:
    return np.concatenate([values, np.ones((len(values), 1))], axis=1)
