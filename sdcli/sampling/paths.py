"""Noise paths: how a model's latents, its noise and its output hang together at a noise level σ.

A path is what a model was trained on; solvers move along it by x̂₀ and σ alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, cast

from .protocols import X

Prediction = Literal["epsilon", "v_prediction", "sample", "edm", "edm_v"]
"""What a network's output stands for, as diffusers' scheduler files call it; `edm` and `edm_v` are
those of its EDM schedulers."""


class NoisePath(Protocol):
    """x = signal(σ)·x₀ + noise(σ)·n, and what the model's output says of x₀ there.

    A path gives `scales`, `input_scale` and `denoised`; the rest follows. x, x₀ and n are numbers
    or tensors of one shape.
    """

    def scales(self, sigma: float) -> tuple[float, float]:
        """Return what x₀ and unit-variance noise are multiplied by at σ: (signal, noise)."""
        ...

    def input_scale(self, sigma: float) -> float:
        """Return what x is divided by at σ before the model is given it."""
        ...

    def denoised(self, x: X, output: X | float, sigma: float) -> X:
        """Return x̂₀ by the model's output for x at σ, both in float32."""
        ...

    def model_time(self, sigma: float, timestep: Callable[[float], float]) -> float:
        """Return the number by which the model is told σ: of its training table, by `timestep`."""
        return timestep(sigma)

    def add(self, x0: X, noise: X, sigma: float) -> X:
        """Return clean latents with so much unit-variance noise that they stand at σ."""
        signal, amount = self.scales(sigma)
        noisy: X = x0 * signal + noise * amount
        return noisy

    def model_input(self, x: X, sigma: float) -> X:
        """Return x as the model is given it."""
        scaled: X = x / self.input_scale(sigma)
        return scaled

    def renoise(self, sigma: float, sigma_next: float) -> tuple[float, float]:
        """Return (keep, up): x·keep + fresh noise·up stands at sigma_next, no less than σ."""
        (signal, noise), (signal_next, noise_next) = self.scales(sigma), self.scales(sigma_next)
        keep = signal_next / signal
        return keep, math.sqrt(max(noise_next**2 - (noise * keep) ** 2, 0.0))

    def first_scale(self, sigma: float) -> float:
        """Return what unit-variance noise is multiplied by to stand at the first σ of a run."""
        return self.scales(sigma)[1]

    def last_scale(self, sigma: float) -> float:
        """Return what the last x of a run to σ is divided by, to be latents; 1 at σ = 0."""
        return self.scales(sigma)[0]

    def log_snr(self, sigma: float) -> float:
        """Return λ = log(signal²/noise²) at σ > 0 (Kingma et al. 2021); it falls as σ rises."""
        signal, noise = self.scales(sigma)
        return 2 * math.log(signal / noise)


class VarianceExploding(NoisePath, Protocol):
    """x = x₀ + σ·n (Song et al. 2021, k-diffusion); the model is given unit variance, x/√(1+σ²)."""

    def scales(self, sigma: float) -> tuple[float, float]:
        """Return (1, σ): x₀ is never scaled."""
        return 1.0, sigma

    def input_scale(self, sigma: float) -> float:
        """Return √(1+σ²)."""
        return math.sqrt(sigma**2 + 1)


class Epsilon(VarianceExploding):
    """The model predicts the noise n (Ho et al. 2020)."""

    def denoised(self, x: X, output: X | float, sigma: float) -> X:
        """Return x − σ·ε."""
        clean: X = x - output * sigma
        return clean


class Velocity(VarianceExploding):
    """The model predicts v = (n − σ·x₀)/√(1+σ²) (Salimans & Ho 2022)."""

    def denoised(self, x: X, output: X | float, sigma: float) -> X:
        """Return x/(1+σ²) − v·σ/√(1+σ²)."""
        variance = sigma**2 + 1
        clean: X = x / variance - output * (sigma / math.sqrt(variance))
        return clean


class Sample(VarianceExploding):
    """The model predicts x₀ itself."""

    def denoised(self, x: X, output: X | float, sigma: float) -> X:
        """Return the output."""
        return cast("X", output)


class Edm(VarianceExploding):
    """Latents of standard deviation `data`, preconditioned (Karras et al. 2022, table 1).

    The network's part is added, or taken away where it predicts v (`sign` -1); it is told of
    ln(σ)/4. Of a `data` of 1 the latter is Velocity.
    """

    def __init__(self, data: float, sign: int) -> None:
        """Keep the deviation and the sign."""
        self._data = data
        self._sign = sign

    def input_scale(self, sigma: float) -> float:
        """Return √(σ²+σ_data²)."""
        return math.hypot(sigma, self._data)

    def model_time(self, sigma: float, timestep: Callable[[float], float]) -> float:
        """Return ln(σ)/4."""
        return math.log(sigma) / 4

    def denoised(self, x: X, output: X | float, sigma: float) -> X:
        """Return x·σ_data²/(σ²+σ_data²) ± F·σ·σ_data/√(σ²+σ_data²)."""
        variance = sigma**2 + self._data**2
        part = self._sign * sigma * self._data / math.sqrt(variance)
        clean: X = x * (self._data**2 / variance) + output * part
        return clean


EPSILON = Epsilon()
PATHS: Mapping[Prediction, NoisePath] = {
    "epsilon": EPSILON,
    "v_prediction": Velocity(),
    "sample": Sample(),
    "edm": Edm(0.5, 1),  # Karras et al.'s own, and Playground 2.5's
    "edm_v": Edm(1.0, -1),  # CosXL's
}
