"""DPM-Solver's singlestep updates on the noise (Lu et al. 2022, "DPM-Solver", Alg. 1 and 2).

All are exponential integrators in λ = -log σ: exact where the predicted noise does not change.
"""

from __future__ import annotations

import math
from typing import Any

from sdcli.sampling.protocols import Denoise


class Singlestep:
    """The updates of order 1, 2 and 3 from one state; what they share is evaluated once."""

    def __init__(self, denoise: Denoise[Any], x: Any, sigma: float) -> None:
        self._denoise = denoise
        self._x = x
        self._sigma = sigma
        self._eps = self._noise_in(x, sigma)
        self._ahead: dict[float, Any] = {}

    def first(self, sigma_next: float) -> Any:
        """Step by order 1: no further call."""
        return self._x - self._eps * (sigma_next * math.expm1(self._h(sigma_next)))

    def second(self, sigma_next: float, *, r: float = 1 / 2) -> Any:
        """Step by order 2: one further call, a share `r` of the way in λ."""
        growth = sigma_next * math.expm1(self._h(sigma_next))
        return self.first(sigma_next) - self._change(sigma_next, r) * (growth / (2 * r))

    def third(self, sigma_next: float) -> Any:
        """Step by order 3: two further calls, a third and two thirds of the way in λ."""
        h = self._h(sigma_next)
        r1, r2 = 1 / 3, 2 / 3
        change = self._change(sigma_next, r1)
        middle = self._sigma * math.exp(-r2 * h)
        there = self._x - self._eps * (middle * math.expm1(r2 * h))
        there = there - change * (middle * (r2 / r1) * _phi_2(r2 * h))
        change = self._noise_in(there, middle) - self._eps
        return self.first(sigma_next) - change * (sigma_next / r2 * _phi_2(h))

    def _h(self, sigma_next: float) -> float:
        return math.log(self._sigma / sigma_next)

    def _noise_in(self, x: Any, sigma: float) -> Any:
        return (x - self._denoise(x, sigma)) / sigma

    def _change(self, sigma_next: float, r: float) -> Any:
        """Return how predicted noise differs a share `r` of the way ahead; two updates may ask."""
        middle = self._sigma * math.exp(-r * self._h(sigma_next))
        if middle not in self._ahead:
            there = self.first(middle)
            self._ahead[middle] = self._noise_in(there, middle) - self._eps
        return self._ahead[middle]


def _phi_2(h: float) -> float:
    """Return (e^h - 1)/h - 1."""
    return math.expm1(h) / h - 1
