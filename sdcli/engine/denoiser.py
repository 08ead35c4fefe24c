"""Owns the denoisers: x̂₀ from a UNet's output, and the wrappers that change what it believes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sdcli.families import Prediction
from sdcli.sampling import Denoise


class UNetDenoiser:
    """x̂₀ = what the UNet says of x at σ, for one conditioning a row of x.

    Takes and returns float32; the UNet casts at its own door. `evaluations` counts the calls,
    `sigma` is that of the last one. `timestep` finds the training timestep of σ. `added` are
    diffusers' further arguments for an SDXL; `beside` is what an inpainting model sees beside
    the latents, (1, channels, height, width).
    """

    def __init__(
        self,
        unet: Any,
        context: Tensor,
        *,
        timestep: Callable[[float], float],
        prediction: Prediction,
        added: Mapping[str, Tensor] | None = None,
        beside: Tensor | None = None,
    ) -> None:
        self._unet = unet
        self._beside = beside
        self._added = added
        self._context = context  # (rows, tokens, width)
        self._timestep = timestep
        self._v_prediction = prediction == "v_prediction"
        self._dtype = context.dtype
        # A1111 rounds t to half precision with the rest; bf16, which it lacks, would lose whole
        # timesteps.
        self._t_dtype = torch.float16 if self._dtype == torch.float16 else torch.float32
        self.evaluations = 0
        self.sigma = math.inf

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """x: (rows, channels, height, width) at noise level σ, x₀ + σ·noise."""
        self.evaluations += 1
        self.sigma = sigma
        variance = sigma**2 + 1
        t = torch.full((len(x),), self._timestep(sigma), dtype=self._t_dtype, device=x.device)
        scaled = (x / math.sqrt(variance)).to(self._dtype)
        if self._beside is not None:
            scaled = torch.cat([scaled, self._beside.expand(len(x), -1, -1, -1)], dim=1)
        said = self._unet(
            scaled,
            t,
            encoder_hidden_states=self._context,
            added_cond_kwargs=self._added,
            return_dict=False,
        )[0]
        if self._v_prediction:
            return x / variance - said.float() * (sigma / math.sqrt(variance))
        return x - said.float() * sigma


class Guided:
    """Classifier-free guidance, D_u + scale·(D_c − D_u), in one call (Ho & Salimans 2022).

    `denoise` must believe the prompts in the first half of its rows and the negative prompts in
    the second.
    """

    def __init__(self, denoise: Denoise[Tensor], scale: float) -> None:
        self._denoise = denoise
        self._scale = scale

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """The guided x̂₀."""
        return self.both(x, sigma)[0]

    def both(self, x: Tensor, sigma: float, /) -> tuple[Tensor, Tensor]:
        """The guided x̂₀ and the one of the negative prompts."""
        conditional, without = self._denoise(torch.cat([x, x]), sigma).chunk(2)
        return without + (conditional - without) * self._scale, without


class GuidedApart:
    """The same guidance in two calls, for prompts whose embeddings differ in length."""

    def __init__(
        self, conditional: Denoise[Tensor], unconditional: Denoise[Tensor], scale: float
    ) -> None:
        self._conditional = conditional
        self._unconditional = unconditional
        self._scale = scale

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """The guided x̂₀."""
        return self.both(x, sigma)[0]

    def both(self, x: Tensor, sigma: float, /) -> tuple[Tensor, Tensor]:
        """The guided x̂₀ and the one of the negative prompts."""
        without = self._unconditional(x, sigma)
        return without + (self._conditional(x, sigma) - without) * self._scale, without


def consistent(denoise: Denoise[Tensor], timestep: Callable[[float], float]) -> Denoise[Tensor]:
    """x̂₀ under the boundary condition of consistency models: at timestep 0, x itself.

    Luo et al. 2023, with σ_data 0.5 and timesteps scaled by 10.
    """

    def believe(x: Tensor, sigma: float, /) -> Tensor:
        t = 10 * timestep(sigma)
        keep = 0.25 / (t**2 + 0.25)
        return denoise(x, sigma) * (t / math.sqrt(t**2 + 0.25)) + x * keep

    return believe
