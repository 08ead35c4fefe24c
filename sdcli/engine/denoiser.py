"""Owns the denoisers: x̂₀ from a UNet's output, and the wrappers that change what it believes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from sdcli.families import Prediction
from sdcli.sampling import Denoise, TrainingTable


class UNetDenoiser:
    """x̂₀ = what the UNet says of x at σ, for one conditioning a row of x.

    Takes and returns float32; the UNet casts at its own door. `evaluations` counts the calls.
    """

    def __init__(
        self, unet: Any, context: Tensor, *, table: TrainingTable, prediction: Prediction
    ) -> None:
        self._unet = unet
        self._context = context  # (rows, tokens, width)
        self._table = table
        self._v_prediction = prediction == "v_prediction"
        self._dtype = context.dtype
        # A1111 rounds t to half precision with the rest; bf16, which it lacks, would lose whole
        # timesteps.
        self._t_dtype = torch.float16 if self._dtype == torch.float16 else torch.float32
        self.evaluations = 0

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """x: (rows, channels, height, width) at noise level σ, x₀ + σ·noise."""
        self.evaluations += 1
        variance = sigma**2 + 1
        t = torch.full((len(x),), self._table.timestep(sigma), dtype=self._t_dtype, device=x.device)
        scaled = (x / math.sqrt(variance)).to(self._dtype)
        said = self._unet(scaled, t, encoder_hidden_states=self._context, return_dict=False)[0]
        if self._v_prediction:
            return x / variance - said.float() * (sigma / math.sqrt(variance))
        return x - said.float() * sigma


def guided(denoise: Denoise[Tensor], scale: float) -> Denoise[Tensor]:
    """Classifier-free guidance, D_u + scale·(D_c − D_u), in one call (Ho & Salimans 2022).

    `denoise` must believe the prompts in the first half of its rows and the negative prompts in
    the second.
    """

    def believe(x: Tensor, sigma: float, /) -> Tensor:
        conditional, unconditional = denoise(torch.cat([x, x]), sigma).chunk(2)
        return unconditional + (conditional - unconditional) * scale

    return believe


def guided_apart(
    conditional: Denoise[Tensor], unconditional: Denoise[Tensor], scale: float
) -> Denoise[Tensor]:
    """The same guidance in two calls, for prompts whose embeddings differ in length."""

    def believe(x: Tensor, sigma: float, /) -> Tensor:
        without = unconditional(x, sigma)
        return without + (conditional(x, sigma) - without) * scale

    return believe
