"""The three callables that a solver is made of: Denoise, Noise, and the Solver itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

X = TypeVar("X", bound=Any)
"""A state: one float, or a tensor (batch, channels, height, width)."""

X_co = TypeVar("X_co", bound=Any, covariant=True)

Sigmas = Sequence[float]
"""Noise levels, decreasing; the last is usually 0."""


class Denoise(Protocol[X]):
    """What the model believes: x at noise level σ in, its estimate x̂₀ of the clean x out."""

    def __call__(self, x: X, sigma: float, /) -> X:
        """Return x̂₀, shaped like x."""
        ...


class GuidedDenoise(Denoise[X], Protocol[X]):
    """A Denoise that also tells what the model believes without the prompt."""

    def both(self, x: X, sigma: float, /) -> tuple[X, X]:
        """Return the guided x̂₀ and the one of the negative prompt alone, of one evaluation."""
        ...


class Noise(Protocol[X_co]):
    """The only source of randomness: unit-variance noise for the way from σ to σ_next."""

    def __call__(self, sigma: float, sigma_next: float, /) -> X_co:
        """Draw noise shaped like x.

        Independent streams ignore σ; a Brownian path needs both ends.
        """
        ...


Solver = Callable[..., Iterator[Any]]
"""How to move: `(denoise, x, sigmas, noise, *, options…)` yields x after each step.

The function's keyword-only parameters are its options.
"""


@cache
def option_defaults(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the keyword-only parameters of `function` with their defaults; None for no default."""
    defaults = {
        name: None if parameter.default is Parameter.empty else parameter.default
        for name, parameter in signature(function).parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    }
    return MappingProxyType(defaults)
