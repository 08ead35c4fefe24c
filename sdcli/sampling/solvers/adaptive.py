"""DPM fast and DPM adaptive: DPM-Solver on σ's of its own, between the first and last given.

Both integrate down to the last σ above 0 and stop there; they do not jump to σ 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from sdcli.errors import SdcliError
from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

from .ancestral import ancestral_split
from .dpm_solver import Singlestep


def dpm_fast(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[X]:
    """Solve by DPM-Solver-fast: as many calls as intervals, in steps of order 3 and a rest.

    Lu et al. 2022, §3.4; the steps are even in log σ. Yields once for each of its own steps.
    """
    start, end = _ends(sigmas)
    calls = len(sigmas) - 1
    whole, rest = divmod(calls, 3)
    orders = [3] * whole + [rest] if rest else [3] * (whole - 1) + [2, 1]
    for i, order in enumerate(orders):
        sigma, sigma_next = (start * (end / start) ** (k / len(orders)) for k in (i, i + 1))
        down, up = _split(sigma, sigma_next, end, eta=eta)
        step = Singlestep(denoise, x, sigma)
        x = (step.first, step.second, step.third)[order - 1](down)
        if up:
            x = x + noise(sigma, sigma_next) * (s_noise * up)
        yield x


def dpm_adaptive(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    rtol: float = 0.05,
    atol: float = 0.0078,
    max_evals: int | None = None,
) -> Iterator[X]:
    """Solve by DPM-Solver-23: order 3, its step lengths chosen by the error against order 2.

    Lu et al. 2022, App. C. Yields after every try, accepted or not; of the σ's only the first and
    the last above 0 count. When another try would pass `max_evals` calls, the last call goes to x̂₀
    of where it stands. Raises SdcliError where no step is short enough.
    """
    sigma, end = _ends(sigmas)
    control = StepControl(order=1.5 if eta else 3.0)
    low_before = x
    calls = 0
    while math.log(sigma / end) > 1e-5:
        if max_evals is not None and calls + _CALLS_A_TRY >= max_evals:
            yield denoise(x, sigma)
            return
        sigma_next = max(end, sigma * math.exp(-control.h))
        down, up = _split(sigma, sigma_next, end, eta=eta)
        step = Singlestep(denoise, x, sigma)
        low = step.second(down, r=1 / 3)
        high = step.third(down)
        calls += _CALLS_A_TRY
        error = _error(low, high, low_before, rtol=rtol, atol=atol)
        if math.isnan(error):  # no step is short enough for a model that gives NaN
            yield high
            return
        if control.accept(error):
            x, low_before = high, low
            if up:
                x = x + noise(sigma, sigma_next) * (s_noise * up)
            sigma = sigma_next
        elif control.h < _SHORTEST:
            raise SdcliError(
                f"DPM adaptive finds no step short enough at σ {sigma:.3g}: the model jumps there",
                "try --rtol 0.2, or another sampler",
            )
        yield x


_SHORTEST = 1e-8  # in log σ, of which a whole run covers about 6
_CALLS_A_TRY = 3


class StepControl:
    """Chooses step lengths in log σ from the errors of the tries so far: a PID controller.

    The constants are k-diffusion's: integral control alone, its change limited by an arctangent.
    """

    def __init__(
        self,
        *,
        order: float,
        h: float = 0.05,
        proportional: float = 0.0,
        integral: float = 1.0,
        derivative: float = 0.0,
        safety: float = 0.81,
    ) -> None:
        self.h = h
        self._powers = (
            (proportional + integral + derivative) / order,
            -(proportional + 2 * derivative) / order,
            derivative / order,
        )
        self._safety = safety
        self._inverse_errors: list[float] = []  # of the accepted steps, the newest first

    def accept(self, error: float) -> bool:
        """Judge a try by its error, 1 being the most tolerated; set `h` for the next."""
        inverse = 1 / (error + 1e-8)
        self._inverse_errors = self._inverse_errors or [inverse, inverse]
        recent = [inverse, *self._inverse_errors]
        factor = math.prod(e**p for e, p in zip(recent, self._powers, strict=True))
        factor = 1 + math.atan(factor - 1)
        accepted = factor >= self._safety
        if accepted:
            self._inverse_errors = recent[:2]
        self.h *= factor
        return accepted


def _ends(sigmas: Sigmas) -> tuple[float, float]:
    """Return the first σ and the last above 0."""
    return sigmas[0], sigmas[-1] or sigmas[-2]


def _split(sigma: float, sigma_next: float, end: float, *, eta: float) -> tuple[float, float]:
    """Return the ancestral split, but never below `end`."""
    down, _ = ancestral_split(sigma, sigma_next, eta=eta)
    down = max(end, down)
    return down, math.sqrt(max(sigma_next**2 - down**2, 0.0))


def _error(low: Any, high: Any, low_before: Any, *, rtol: float, atol: float) -> float:
    """Return the root mean square of the difference, measured in the tolerance of each element."""
    scale = _maximum(_maximum(abs(low), abs(low_before)) * rtol, atol)
    ratio = (low - high) / scale
    square = ratio * ratio
    # The one place where a solver looks at its numbers: the length of its next step depends on it.
    return math.sqrt(float(square.mean() if hasattr(square, "mean") else square))


def _maximum(a: Any, b: Any) -> Any:
    """Return the elementwise maximum, by arithmetic that floats and tensors share."""
    return (a + b + abs(a - b)) / 2
