"""UniPC: a multistep predictor and corrector of one form (Zhao et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

ORDER = 3


def unipc(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Solve by UniPC-3 on x̂₀ with B(h) = h ("bh1"), of lower order at both ends, as A1111 runs it.

    The model is called once a step, where the prediction ends; the last step is not corrected.
    """
    steps = len(sigmas) - 1
    past = [(sigmas[0], denoise(x, sigmas[0]))]  # σ and x̂₀, the newest first
    for i, sigma_next in enumerate(sigmas[1:]):
        if sigma_next == 0:
            yield past[0][1]  # what order 1 tends to
            return
        order = min(ORDER, len(past), steps - i)
        update = Update(past[:order], sigma_next)
        predicted = update.predict(x)
        if i == steps - 1:
            yield predicted
            return
        denoised = denoise(predicted, sigma_next)
        x = update.correct(x, denoised)
        past = [(sigma_next, denoised), *past[: ORDER - 1]]
        yield x


class Update:
    """One step's predictor and corrector from the newest `past` (σ, x̂₀) to `sigma_next`."""

    def __init__(self, past: Sequence[tuple[float, Any]], sigma_next: float) -> None:
        (sigma, self._denoised), *older = past
        self._keep = sigma_next / sigma
        self._h = math.log(sigma / sigma_next)
        self._places = [math.log(sigma / s) / self._h for s, _ in older]  # in steps, negative
        self._slopes = [
            (d - self._denoised) / r for (_, d), r in zip(older, self._places, strict=True)
        ]
        # ∫ of the interpolating polynomial's k-th power against the exponential, over B(h) = -h.
        self._moments: list[float] = []
        phi, factorial = math.expm1(-self._h) / -self._h - 1, 1
        for k in range(1, len(past) + 1):
            self._moments.append(phi * factorial / -self._h)
            factorial *= k + 1
            phi = phi / -self._h - 1 / factorial

    def predict(self, x: Any) -> Any:
        """Predict x at the end of the step, from the past alone."""
        order = len(self._slopes) + 1
        # For order 2 the authors take what the solution tends to as h goes to 0.
        weights = [0.5] if order == 2 else _solved(self._places, self._moments[: order - 1])
        return self._moved(x, self._slopes, weights)

    def correct(self, x: Any, denoised: Any) -> Any:
        """Return the same once x̂₀ at the prediction is known."""
        weights = _solved([*self._places, 1.0], self._moments) if self._slopes else [0.5]
        return self._moved(x, [*self._slopes, denoised - self._denoised], weights)

    def _moved(self, x: Any, slopes: Sequence[Any], weights: Sequence[float]) -> Any:
        moved = x * self._keep + self._denoised * (1 - self._keep)
        for slope, weight in zip(slopes, weights, strict=True):
            moved = moved + slope * (self._h * weight)
        return moved


def _solved(places: Sequence[float], moments: Sequence[float]) -> list[float]:
    """Return w with Σ wⱼ·placesⱼᵏ = momentsₖ for k = 0, 1, …: by elimination, at most 3×3."""
    size = len(places)
    rows = [[place**k for place in places] + [moments[k]] for k in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for r in range(size):
            if r != i:
                factor = rows[r][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]
