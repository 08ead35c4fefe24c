"""The denoiser: x̂₀ from what a backbone predicts of x along a noise path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from sdcli.engine.backbones import Backbone, required
from sdcli.engine.speed.deep_cache import DeepCache
from sdcli.engine.speed.graphs import Graphs
from sdcli.engine.text.schedule import ConditioningGroup, Script
from sdcli.sampling import Denoise
from sdcli.sampling.paths import NoisePath


class Denoiser:
    """A Denoise of the rows of x, each conditioned on a line of the script.

    Takes and returns float32; the network's own format is that of the conditioning. `evaluations`
    counts the calls, `sigma` is that of the last one. `timestep` finds the training timestep of σ.
    `beside` is what an inpainting model sees beside the latents, (1, channels, height, width).
    `graphs` take the backbone's place at its calls. `token_merging` and `deep_cache` are as a
    request's. Raises UsageError for what the backbone's blocks do not allow.
    """

    def __init__(
        self,
        backbone: Backbone,
        script: Script,
        *,
        path: NoisePath,
        timestep: Callable[[float], float],
        beside: Tensor | None = None,
        graphs: Graphs | None = None,
        token_merging: float = 0.0,
        deep_cache: int = 1,
    ) -> None:
        self._backbone = backbone
        self._script = script
        self._path = path
        self._timestep = timestep
        self._beside = beside
        merging = backbone.capabilities.token_merging if token_merging else None
        self._merger = merging(token_merging) if merging else None
        self._predict = graphs.predict if graphs else backbone.predict
        self._cache: DeepCache | None = None
        if deep_cache > 1:
            shallow = required(backbone.capabilities.deep_cache, "--deep-cache", backbone)
            self._cache = DeepCache(shallow, self._predict, deep_cache)
        self._dtype = script.at(0)[0].conditioning.context.dtype
        self.evaluations = 0
        self.sigma = math.inf

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """Return x̂₀ of x (rows, channels, height, width) at noise level σ, of the same shape."""
        groups = self._script.at(self.evaluations)
        self.evaluations += 1
        return self._denoised(x, sigma, groups)

    def first(self, count: int) -> Denoise[Tensor]:
        """Return a denoiser of the first `count` lines alone; a call of it is one of this."""

        def denoise(x: Tensor, sigma: float, /) -> Tensor:
            groups = self._script.at(self.evaluations, count)
            self.evaluations += 1
            return self._denoised(x, sigma, groups)

        return denoise

    def perturbed(self, count: int) -> Denoise[Tensor]:
        """Return a denoiser of the first lines, chosen layers attending to nothing but themselves.

        Perturbed-attention guidance (Ahn et al. 2024) leads away from what it gives. A call of it
        belongs to the one before, and is not counted. Raises UsageError where the backbone's
        blocks do not allow it.
        """
        able = self._backbone.capabilities.perturbed_attention
        perturbation = required(able, "--pag-scale", self._backbone)

        def denoise(x: Tensor, sigma: float, /) -> Tensor:
            groups = self._script.at(self.evaluations - 1, count)
            with perturbation():
                return self._denoised(x, sigma, groups, perturbed=True)

        return denoise

    def forget(self) -> None:
        """Let go what was kept for calls to come."""
        if self._cache:
            self._cache.forget()

    def _denoised(
        self,
        x: Tensor,
        sigma: float,
        groups: Sequence[ConditioningGroup],
        *,
        perturbed: bool = False,
    ) -> Tensor:
        self.sigma = sigma
        if self._cache:
            self._cache.begin(self.evaluations - 1, perturbed=perturbed)
        t = torch.full((len(x),), self._timestep(sigma), dtype=torch.float32, device=x.device)
        scaled = self._path.model_input(x, sigma).to(self._dtype)
        if self._beside is not None:
            scaled = torch.cat([scaled, self._beside.expand(len(x), -1, -1, -1)], dim=1)
        with self._merged(scaled):
            if len(groups) == 1:
                output = self._output(scaled, t, groups[0])
            else:
                output = torch.empty_like(x, dtype=self._dtype)
                for group in groups:
                    rows = group.rows
                    output[rows] = self._output(scaled[rows], t[rows], group)
        return self._path.denoised(x, output.float(), sigma)

    def _output(self, x: Tensor, t: Tensor, group: ConditioningGroup) -> Tensor:
        if self._cache:
            return self._cache(x, t, group)
        return self._predict(x, t, group.conditioning)

    def _merged(self, x: Tensor) -> AbstractContextManager[None]:
        return self._merger.within(*x.shape[2:]) if self._merger else nullcontext()
