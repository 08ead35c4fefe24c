"""SA-Solver: stochastic Adams, predictor and corrector on one model call (Xue et al. 2023).

The paper's reverse SDE with noise of strength τ, between λ = -log σ and λ + h, w = 1 + τ²:
x ← e^(-wh) x + ∫ w e^(-w(λ + h - s)) D(s) ds + σ' √(1 - e^(-2τ²h)) z, where a polynomial through
known beliefs stands for D.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from sdcli.sampling.protocols import Denoise, Noise, Sigmas, X

from .multistep import lagrange_basis, weighted

PREDICTOR, CORRECTOR = 3, 4  # beliefs that each looks at
# Noise acts in the middle of the way, as the authors' settings for latent models have it: between
# timesteps 800 and 200 of Stable Diffusion.
QUIET_BELOW, QUIET_ABOVE = 0.572, 5.111


def sa_solver(
    denoise: Denoise[X],
    x: X,
    sigmas: Sigmas,
    noise: Noise[X],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    s_tmin: float = QUIET_BELOW,
    s_tmax: float = QUIET_ABOVE,
) -> Iterator[X]:
    """Predict, evaluate there, correct (PEC); `eta` is τ where s_tmin ≤ σ ≤ s_tmax, else τ is 0."""
    beliefs: deque[tuple[float, X]] = deque(maxlen=CORRECTOR)  # (λ, D), the newest first
    grain: Any = 0.0
    before: tuple[X, float, float] | None = None  # x, h and w of the step to be corrected
    for sigma, sigma_next in pairwise(sigmas):
        beliefs.appendleft((-math.log(sigma), denoise(x, sigma)))
        if before is not None:
            x = _drift(*before, list(beliefs), -math.log(sigma)) + grain
        if sigma_next == 0:
            x = beliefs[0][1]
            yield x
            continue
        tau = eta if s_tmin <= sigma <= s_tmax else 0.0
        h, w = math.log(sigma / sigma_next), 1 + tau**2
        before = (x, h, w)
        grain = 0.0
        if tau * s_noise:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * tau**2 * h))
            grain = noise(sigma, sigma_next) * (s_noise * spread)
        x = _drift(x, h, w, list(beliefs)[:PREDICTOR], -math.log(sigma_next)) + grain
        yield x


def _drift(x: X, h: float, w: float, beliefs: Sequence[tuple[float, X]], end: float) -> X:
    """Carry x over h up to λ = `end`, without its noise."""
    nodes = [lam for lam, _ in beliefs]
    moments = _moments(h, w, len(nodes))
    weights = [
        sum(c * m for c, m in zip(lagrange_basis(nodes, k, end), moments, strict=True))
        for k in range(len(nodes))
    ]
    drifted: X = x * math.exp(-w * h) + weighted(weights, [belief for _, belief in beliefs])
    return drifted


def _moments(h: float, w: float, count: int) -> list[float]:
    """Return ∫ w e^(wu) uᵏ du from -h to 0, for k = 0 … count - 1."""
    decay = math.exp(-w * h)
    moments = [-math.expm1(-w * h)]
    for k in range(1, count):
        moments.append(-((-h) ** k) * decay - k / w * moments[-1])
    return moments
