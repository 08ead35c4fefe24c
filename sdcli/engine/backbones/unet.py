"""Owns the denoisers: x̂₀ from a UNet's output, and the wrappers that change what it believes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sdcli.engine.speed.deep_cache import Reuse
from sdcli.engine.speed.graphs import Graphs
from sdcli.engine.speed.token_merging import Merging
from sdcli.engine.text.schedule import Script, Told
from sdcli.models.families import Prediction
from sdcli.sampling import Denoise

from .perturbed import self_attending_to_itself


class UNetDenoiser:
    """x̂₀ = what the UNet says of x at σ, told by a line of the script for each row of x.

    Takes and returns float32; the UNet casts at its own door. `evaluations` counts the calls,
    `sigma` is that of the last one. `timestep` finds the training timestep of σ. `beside` is what
    an inpainting model sees beside the latents, (1, channels, height, width). `graphs` take the
    UNet's place at its calls. `token_merging` and `deep_cache` are as a request's.
    """

    def __init__(
        self,
        unet: Any,
        script: Script,
        *,
        timestep: Callable[[float], float],
        prediction: Prediction,
        beside: Tensor | None = None,
        graphs: Graphs | None = None,
        token_merging: float = 0.0,
        deep_cache: int = 1,
    ) -> None:
        self._unet = unet
        self._call = graphs or unet
        self._beside = beside
        self._script = script
        self._merging = Merging(unet, token_merging)
        self._reuse = Reuse(unet, self._asked, deep_cache)
        self._timestep = timestep
        self._v_prediction = prediction == "v_prediction"
        self._dtype = script.at(0)[0].context.dtype
        # A1111 rounds t to half precision with the rest; bf16, which it lacks, would lose whole
        # timesteps.
        self._t_dtype = torch.float16 if self._dtype == torch.float16 else torch.float32
        self.evaluations = 0
        self.sigma = math.inf

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """x: (rows, channels, height, width) at noise level σ, x₀ + σ·noise."""
        told = self._script.at(self.evaluations)
        self.evaluations += 1
        return self._believed(x, sigma, told)

    def first(self, count: int) -> Denoise[Tensor]:
        """The same with the first `count` lines alone; a call of it is one of this."""

        def believe(x: Tensor, sigma: float, /) -> Tensor:
            told = self._script.at(self.evaluations, count)
            self.evaluations += 1
            return self._believed(x, sigma, told)

        return believe

    def perturbed(self, count: int) -> Denoise[Tensor]:
        """What the first lines give where the middle block attends to nothing but itself.

        Perturbed-attention guidance (Ahn et al. 2024) leads away from it. It belongs to the call
        before, and is not counted.
        """

        def believe(x: Tensor, sigma: float, /) -> Tensor:
            told = self._script.at(self.evaluations - 1, count)
            with self_attending_to_itself(self._unet.mid_block):
                return self._believed(x, sigma, told, perturbed=True)

        return believe

    def forget(self) -> None:
        """Let go what was kept for calls to come."""
        self._reuse.forget()

    def _believed(
        self, x: Tensor, sigma: float, told: Sequence[Told], *, perturbed: bool = False
    ) -> Tensor:
        self.sigma = sigma
        self._reuse.begin(self.evaluations - 1, perturbed=perturbed)
        variance = sigma**2 + 1
        t = torch.full((len(x),), self._timestep(sigma), dtype=self._t_dtype, device=x.device)
        scaled = (x / math.sqrt(variance)).to(self._dtype)
        if self._beside is not None:
            scaled = torch.cat([scaled, self._beside.expand(len(x), -1, -1, -1)], dim=1)
        if len(told) == 1:
            said = self._said(scaled, t, told[0])
        else:
            said = torch.empty_like(x, dtype=self._dtype)
            for group in told:
                rows = group.rows
                said[rows] = self._said(scaled[rows], t[rows], group)
        if self._v_prediction:
            return x / variance - said.float() * (sigma / math.sqrt(variance))
        return x - said.float() * sigma

    def _said(self, x: Tensor, t: Tensor, told: Told) -> Tensor:
        with self._merging.within(*x.shape[2:]):
            return self._reuse(x, t, told)

    def _asked(self, x: Tensor, t: Tensor, told: Told) -> Tensor:
        said: Tensor = self._call(
            x,
            t,
            encoder_hidden_states=told.context,
            added_cond_kwargs=told.added,
            return_dict=False,
        )[0]
        return said
