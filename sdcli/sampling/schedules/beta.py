"""The quantiles of the beta distribution, which the standard library lacks."""

from __future__ import annotations

import math


def inverse_incomplete_beta(p: float, a: float, b: float) -> float:
    """Return x in [0, 1] with I_x(a, b) = p in [0, 1], to the last digits, by bisection."""
    if p in (0.0, 1.0):
        return p
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if incomplete_beta(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return middle


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for 0 < x < 1 and a, b > 0."""
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)  # where the fraction below converges fast
    log_front = a * math.log(x) + b * math.log1p(-x)
    log_front += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of DLMF 8.17.22, by Lentz's method from the front."""
    value = ahead = 1.0
    behind = 0.0
    for step in range(1, 300):
        m = step // 2
        if step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        behind = 1 / (1 + term * behind)
        ahead = 1 + term / ahead
        value *= ahead * behind
        if abs(ahead * behind - 1) < 1e-15:
            break
    return value
