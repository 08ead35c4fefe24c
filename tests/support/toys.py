"""The toy models with known answers that the solvers are measured on, as plain floats."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from sdcli.sampling.paths import NoisePath
from sdcli.sampling.protocols import X

FloatDenoise = Callable[[float, float], float]


def gaussian(spread: float) -> FloatDenoise:
    """The exact denoiser of data ~ N(0, spread²): x̂₀ = x·spread²/(spread² + σ²)."""

    def denoise(x: float, sigma: float) -> float:
        return x * spread**2 / (spread**2 + sigma**2)

    return denoise


def gaussian_ode(x: float, spread: float, *, start: float, end: float) -> float:
    """Where the probability-flow ODE of `gaussian` carries x from σ = start to end, exactly."""
    return x * math.sqrt((spread**2 + end**2) / (spread**2 + start**2))


def two_modes(x: float, sigma: float) -> float:
    """The exact denoiser of data that is -1 or 1 with equal odds: nonlinear in x."""
    return math.tanh(x / sigma**2)


def constant(value: float) -> FloatDenoise:
    """A model that is sure of its answer."""
    return lambda x, sigma: value


def seeded_noise(seed: int) -> Callable[[float, float], float]:
    """Independent standard normal floats."""
    stream = random.Random(seed)
    return lambda sigma, sigma_next: stream.gauss(0, 1)


def no_noise(sigma: float, sigma_next: float) -> float:
    """For solvers that must not draw any."""
    raise AssertionError("a deterministic run drew noise")


def geometric(start: float, end: float, steps: int) -> tuple[float, ...]:
    """σ's even in log σ from start to end > 0, as a smooth grid for measuring order."""
    ratio = (end / start) ** (1 / steps)
    return tuple(start * ratio**i for i in range(steps + 1))


class Unmoved:
    """A denoiser whose prompt changes nothing, for solvers that ask with and without it."""

    def __init__(self, denoise: FloatDenoise) -> None:
        self._denoise = denoise

    def __call__(self, x: float, sigma: float) -> float:
        return self._denoise(x, sigma)

    def both(self, x: float, sigma: float) -> tuple[float, float]:
        """The same belief twice, of one evaluation."""
        believed = self._denoise(x, sigma)
        return believed, believed


def ramped(start: float, end: float, steps: int) -> tuple[float, ...]:
    """σ's as `geometric` has them after a first step that is cut ever finer towards its start.

    A multistep solver begins with its low orders; there, their error does not count.
    """
    places = [0.0, *(2.0**-i for i in range(10, 0, -1)), *map(float, range(1, steps + 1))]
    return tuple(start * (end / start) ** (place / steps) for place in places)


class RectifiedFlow(NoisePath):
    """x = (1 − σ)·x₀ + σ·n for σ from 0 to 1 (Liu et al. 2022); the model predicts v = n − x₀."""

    def scales(self, sigma: float) -> tuple[float, float]:
        return 1 - sigma, sigma

    def input_scale(self, sigma: float) -> float:
        return 1.0

    def denoised(self, x: X, output: X | float, sigma: float) -> X:
        clean: X = x - output * sigma
        return clean
