"""Guidance: one x̂₀ out of those of the prompts and of the negative prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdcli.sampling import Denoise
from sdcli.sampling.paths import NoisePath

Refine = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
"""(x, guided x̂₀, the prompts' x̂₀, the negative prompts', σ) to a better guided x̂₀."""


@dataclass(frozen=True, slots=True)
class Skip:
    """When the negative prompts are left out of a call, as A1111 has it; the defaults: never.

    In the first share `early` of a run's `calls`; where `level` of σ lies under `below`, at every
    odd call, or with `every` at all of them.
    """

    calls: int = 1
    early: float = 0.0
    below: float = 0.0
    every: bool = False
    level: Callable[[float], float] = float

    def __call__(self, call: int, sigma: float) -> bool:
        """Return whether to skip them at this call, counted from 0."""
        if self.early and call / self.calls <= self.early:
            return True
        return self.level(sigma) < self.below and (self.every or call % 2 == 1)


class Guidance:
    """Classifier-free guidance, D_u + Σ wₖ·scale·(D_k − D_u), in one call.

    Ho & Salimans 2022; of several prompts with weights wₖ, Liu et al. 2022, as A1111's AND has it.
    `denoise` takes a row for each image's prompts, one image after another, and then one for each
    image's negative prompt; `prompts` the first of them only. `weights` are those of each image's
    prompts; one of weight 1 each where there are none. Where `skip` says so the first prompt takes
    the negative one's place, at scale 1. `refine` is applied to what comes out, in turn; then it
    goes away by `pag` from the x̂₀ of the `perturbed` prompts.
    """

    def __init__(
        self,
        denoise: Denoise[Tensor],
        scale: float,
        weights: Sequence[Sequence[float]] = (),
        *,
        prompts: Denoise[Tensor] | None = None,
        skip: Callable[[int, float], bool] | None = None,
        refine: Sequence[Refine] = (),
        perturbed: Denoise[Tensor] | None = None,
        pag: float = 0.0,
    ) -> None:
        self._denoise = denoise
        self._scale = scale
        plain = all(list(each) == [1.0] for each in weights)
        self._weights = None if plain else [list(each) for each in weights]
        self._prompts = prompts
        self._skip = skip
        self._refine = tuple(refine)
        self._perturbed = perturbed
        self._pag = pag
        self._calls = 0

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """Return the guided x̂₀."""
        return self.both(x, sigma)[0]

    def both(self, x: Tensor, sigma: float, /) -> tuple[Tensor, Tensor]:
        """Return the guided x̂₀ and the one of the negative prompts."""
        call, self._calls = self._calls, self._calls + 1
        rows = self._rows(x)
        if self._prompts and self._skip and self._skip(call, sigma):
            prompted = self._prompts(rows, sigma)
            without, scale = self._first(prompted), 1.0
        else:
            both = self._denoise(torch.cat([rows, x]), sigma)
            prompted, without = both.split([len(rows), len(x)])
            scale = self._scale
        guided = self._composed(prompted, without, scale)
        for refine in self._refine:
            guided = refine(x, guided, self._composed(prompted, without, 1.0), without, sigma)
        if self._perturbed:
            away = prompted - self._perturbed(rows, sigma)
            guided = guided + self._composed(away, torch.zeros_like(x), self._pag)
        return guided, without

    def _rows(self, x: Tensor) -> Tensor:
        """Repeat each image as often as it has prompts."""
        if self._weights is None:
            return x
        counts = [len(each) for each in self._weights]
        each = zip(x.split(1), counts, strict=True)
        return torch.cat([image.expand(count, -1, -1, -1) for image, count in each])

    def _first(self, prompted: Tensor) -> Tensor:
        """Return x̂₀ of each image's first prompt."""
        if self._weights is None:
            return prompted
        counts = [len(each) for each in self._weights]
        return torch.stack([rows[0] for rows in prompted.split(counts)])

    def _composed(self, prompted: Tensor, without: Tensor, scale: float) -> Tensor:
        if self._weights is None:
            return without + (prompted - without) * scale
        guided = without.clone()
        images = prompted.split([len(each) for each in self._weights])
        for image, bare, rows, weights in zip(guided, without, images, self._weights, strict=True):
            for row, weight in zip(rows, weights, strict=True):
                image += (row - bare) * (weight * scale)
        return guided


def rescaled(share: float, path: NoisePath) -> Refine:
    """Return CFG rescale (Lin et al. 2023, §3.4), which gives back the prompts' own spread.

    The guided output gets it by `share`, 0 to 1, measured on what the network predicts.
    """

    def refine(x: Tensor, guided: Tensor, prompts: Tensor, _: Tensor, sigma: float) -> Tensor:
        # The output is, but for a factor that both have, x̂₀ less what it would be for an output
        # of 0.
        whole = path.denoised(x, 0.0, sigma)
        spread = _spread(whole - prompts) / _spread(whole - guided)
        return whole - (whole - guided) * (share * spread + 1 - share)

    return refine


def _spread(x: Tensor) -> Tensor:
    return x.std(dim=(1, 2, 3), keepdim=True)


def thresholded(scale: float, mimic: float, percentile: float) -> Refine:
    """Return dynamic thresholding: no channel's greatest deviation exceeds that at scale `mimic`.

    As in sd-dynamic-thresholding, values beyond the percentile are clipped, then all are shrunk.
    """

    def refine(_: Tensor, guided: Tensor, __: Tensor, without: Tensor, ___: float) -> Tensor:
        mimicked = without + (guided - without) * (mimic / scale)
        middle = guided.mean(dim=(2, 3), keepdim=True)
        deviation = guided - middle
        wanted = _greatest(mimicked - mimicked.mean(dim=(2, 3), keepdim=True), 1.0)
        limit = torch.maximum(_greatest(deviation, percentile), wanted)
        return middle + deviation.clamp(-limit, limit) / limit * wanted

    return refine


def _greatest(deviation: Tensor, percentile: float) -> Tensor:
    """Return the size that this share of each channel does not exceed, (n, channels, 1, 1)."""
    sizes = deviation.abs().flatten(2)
    return torch.quantile(sizes, percentile, dim=2)[..., None, None]
