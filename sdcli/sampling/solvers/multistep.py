"""The linear multistep solvers in σ: each step reuses the slopes of the steps before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

# Weights of the newest slope, the one before, …: Adams–Bashforth for even steps, orders 1 to 4.
ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def lms(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    order: int = 4,
    believe_last: bool = False,
) -> Iterator[X]:
    """Solve by Adams–Bashforth for uneven steps, its weights in closed form.

    `believe_last`: a step to σ 0 goes to x̂₀ instead of extrapolating.
    """
    slopes: deque[X] = deque(maxlen=order)  # the newest first
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        slopes.appendleft((x - denoised) / sigma)
        nodes = [sigmas[i - k] for k in range(len(slopes))]
        if sigma_next == 0 and believe_last:
            x = denoised
        else:
            weights = [lagrange_integral(nodes, k, sigma, sigma_next) for k in range(len(nodes))]
            x = x + weighted(weights, slopes)
        yield x


def ipndm(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X]) -> Iterator[X]:
    """Solve by the improved pseudo numerical method (Zhang & Chen 2022).

    It is of order 4, with weights for even steps.
    """
    slopes: deque[X] = deque(maxlen=4)
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoise(x, sigma)
        slopes.appendleft((x - denoised) / sigma)
        if sigma_next == 0:
            x = denoised
        else:
            step = sigma_next - sigma
            x = x + weighted([w * step for w in ADAMS_BASHFORTH[len(slopes) - 1]], slopes)
        yield x


def weighted(weights: Sequence[float], slopes: Sequence[Any]) -> Any:
    """Return the sum of weights times slopes."""
    (weight, slope), *rest = zip(weights, slopes, strict=True)
    total = slope * weight
    for weight, slope in rest:
        total = total + slope * weight
    return total


def lagrange_integral(nodes: Sequence[float], k: int, start: float, end: float) -> float:
    """Integrate from start to end the polynomial that is 1 at nodes[k] and 0 at the other nodes."""
    width = end - start
    coefficients = lagrange_basis(nodes, k, start)
    return sum(c * width ** (n + 1) / (n + 1) for n, c in enumerate(coefficients))


def lagrange_basis(nodes: Sequence[float], k: int, origin: float) -> list[float]:
    """Return that polynomial's coefficients of the powers of (τ - origin), the lowest first."""
    coefficients = [1.0]
    for j, node in enumerate(nodes):
        if j == k:
            continue
        shift, gap = origin - node, nodes[k] - node
        times_tau = [0.0, *coefficients]
        times_one = [*coefficients, 0.0]
        coefficients = [(a + b * shift) / gap for a, b in zip(times_tau, times_one, strict=True)]
    return coefficients
