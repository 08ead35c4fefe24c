"""The table of noise levels that a model was trained on, and the way between σ and timestep.

Every value is rounded to float32 where A1111 holds a float32 tensor: samplers that look σ up in a
Brownian tree see the difference.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from operator import mul
from struct import Struct

_FLOAT32 = Struct("f")


def f32(value: float) -> float:
    """Return the Python float equal to `value` rounded to IEEE float32."""
    return float(_FLOAT32.unpack(_FLOAT32.pack(value))[0])


def linspace32(start: float, stop: float, count: int) -> list[float]:
    """Space `count` float32 values evenly from start to stop, as `torch.linspace` does."""
    if count == 1:
        return [f32(start)]
    start, stop = f32(start), f32(stop)
    step = f32((stop - start) / (count - 1))
    half = count // 2
    return [
        f32(start + step * i) if i < half else f32(stop - step * (count - 1 - i))
        for i in range(count)
    ]


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Noise levels by training timestep: `sigmas[t]` for t = 0 (least noise) … len-1 (most).

    Under the variance-exploding scaling of k-diffusion: x = x₀ + σ·noise. `lineage` tells apart
    the families for which schedules were optimized.
    """

    sigmas: tuple[float, ...]
    log_sigmas: tuple[float, ...]
    lineage: str = "sd1"

    @classmethod
    def from_alphas(cls, alphas_cumprod: Iterable[float]) -> TrainingTable:
        """Build it from ᾱ in (0, 1), decreasing; σ = sqrt((1-ᾱ)/ᾱ) step by step in float32."""
        alphas = [f32(alpha) for alpha in alphas_cumprod]
        sigmas = tuple(f32(math.sqrt(f32(f32(1 - alpha) / alpha))) for alpha in alphas)
        return cls(sigmas, tuple(f32(math.log(sigma)) for sigma in sigmas))

    @property
    def sigma_min(self) -> float:
        """The least σ of training."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> float:
        """The greatest σ of training."""
        return self.sigmas[-1]

    def every(self, stride: int) -> TrainingTable:
        """Return the table of every `stride`-th timestep, the last one included."""
        first = (len(self.sigmas) - 1) % stride
        return TrainingTable(self.sigmas[first::stride], self.log_sigmas[first::stride])

    def sigma(self, timestep: float) -> float:
        """Return σ at a fractional timestep in [0, len-1]; log σ is linear between neighbors."""
        low, high = math.floor(timestep), math.ceil(timestep)
        weight = f32(timestep - low)
        log_sigma = f32(
            f32(f32(1 - weight) * self.log_sigmas[low]) + f32(weight * self.log_sigmas[high])
        )
        return f32(math.exp(log_sigma))

    def timestep(self, sigma: float) -> float:
        """Return the fractional timestep of σ > 0, clamped to the table's ends."""
        log_sigma = f32(math.log(sigma))
        low = min(max(bisect_right(self.log_sigmas, log_sigma) - 1, 0), len(self.log_sigmas) - 2)
        below, above = self.log_sigmas[low], self.log_sigmas[low + 1]
        weight = min(max((log_sigma - below) / (above - below), 0.0), 1.0)
        return f32((1 - weight) * low + weight * (low + 1))


def _alphas(betas: Iterable[float]) -> Iterable[float]:
    return accumulate((1 - beta for beta in betas), mul)


def _linspace(start: float, stop: float, count: int) -> list[float]:
    step = (stop - start) / (count - 1)
    half = count // 2  # from both ends, as torch does: the last bits of ᾱ depend on it
    return [start + step * i if i < half else stop - step * (count - 1 - i) for i in range(count)]


def nearest_of(table: TrainingTable, stride: int) -> Callable[[float], float]:
    """Return σ → timestep: the nearest in log σ among every `stride`-th one, the last included."""
    learned = table.every(stride)
    first = (len(table.sigmas) - 1) % stride

    def timestep(sigma: float) -> float:
        log_sigma = math.log(sigma)
        distances = [abs(log_sigma - known) for known in learned.log_sigmas]
        return float(first + stride * distances.index(min(distances)))

    return timestep


@cache
def scaled_linear(
    *,
    beta_start: float = 0.00085,
    beta_end: float = 0.012,
    count: int = 1000,
    zero_terminal_snr: bool = False,
) -> TrainingTable:
    """Return Stable Diffusion's own table: β linear in its square root (Rombach et al. 2022)."""
    roots = _linspace(math.sqrt(beta_start), math.sqrt(beta_end), count)
    return _table((root * root for root in roots), zero_terminal_snr)


@cache
def log_spaced(*, sigma_min: float, sigma_max: float, count: int = 1000) -> TrainingTable:
    """Return a table even in log σ: for models of Karras et al. 2022, which know no timesteps."""
    first, last = math.log(sigma_min), math.log(sigma_max)
    sigmas = tuple(f32(math.exp(log_sigma)) for log_sigma in _linspace(first, last, count))
    return TrainingTable(sigmas, tuple(f32(math.log(sigma)) for sigma in sigmas))


@cache
def linear(
    *,
    beta_start: float = 0.0001,
    beta_end: float = 0.02,
    count: int = 1000,
    zero_terminal_snr: bool = False,
) -> TrainingTable:
    """Return the table with β linear in t (Ho et al. 2020)."""
    return _table(_linspace(beta_start, beta_end, count), zero_terminal_snr)


@cache
def squared_cosine(*, count: int = 1000, zero_terminal_snr: bool = False) -> TrainingTable:
    """Return the table with ᾱ a squared cosine of t, β ≤ 0.999 (Nichol & Dhariwal 2021, eq. 17)."""

    def alpha_bar(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [1 - alpha_bar((i + 1) / count) / alpha_bar(i / count) for i in range(count)]
    return _table((min(beta, 0.999) for beta in betas), zero_terminal_snr)


_LEAST_ALPHA = 4.8973451890853435e-08  # A1111's, where 0 would make σ infinite


def _table(betas: Iterable[float], zero_terminal_snr: bool) -> TrainingTable:
    """Return the σ's of β's, or with the last ᾱ brought to 0 (Lin et al. 2024, Algorithm 1)."""
    alphas = [f32(alpha) for alpha in _alphas(betas)]
    if zero_terminal_snr:
        roots = [f32(math.sqrt(alpha)) for alpha in alphas]
        first, last = roots[0], roots[-1]
        scale = f32(first / f32(first - last))
        alphas = [f32(f32(f32(root - last) * scale) ** 2) for root in roots[:-1]]
        alphas.append(_LEAST_ALPHA)
    return TrainingTable.from_alphas(alphas)
