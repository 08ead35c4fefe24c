"""Owns what a run begins with: its seeds' noise, alone or over a picture, and what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcli.engine.denoise.inpaint import Anew, Kept, KeptBefore, hard, latent_mask, soft
from sdcli.engine.noise.streams import ImageNoise, Origin
from sdcli.images.masks import Patch
from sdcli.notices import silent
from sdcli.request import GenerationRequest
from sdcli.request.pictures import open_init, open_patch
from sdcli.sampling import Sampler
from sdcli.sampling.img2img import Tail
from sdcli.sampling.protocols import Sigmas

from .device import memory_errors

Encode = Callable[[Image.Image], Tensor]


class Beginning:
    """Noise, and the picture that some requests begin from. All are alike but for their seeds.

    `shape` is that of one image's latents, `encode` makes them of a picture. `latents` are those of
    the picture where it is no file.
    """

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        shape: tuple[int, int, int],
        encode: Encode,
        device: torch.device,
        latents: Tensor | None = None,
    ) -> None:
        self._requests = tuple(requests)
        self._first = first = requests[0]
        self._encode = encode
        self._shape = shape
        self._device = device
        self.noise = self._noises(
            [Origin(r.seed, r.variation_seed or 0, r.variation_strength) for r in requests],
            seen=first.seed_resize and (first.seed_resize[1] // 8, first.seed_resize[0] // 8),
        )
        self.patch: Patch | None = open_patch(first, silent) if first.masked else None
        self._latents = latents

    def noised(self, tail: Tail, sampler: Sampler) -> Tensor:
        """The picture with as much noise as where it enters the run."""
        first, picture = self._first, self.picture()
        if not tail.sigmas:
            return picture
        keep, noise = tail.start_scales(unit_start=sampler.unit_start)
        # A1111's extra noise is of unit variance, in samplers of unit variance shrunk with x.
        extra = first.extra_noise * (keep if sampler.unit_start else 1.0)
        scale = (noise + extra) * first.noise_multiplier
        return picture * keep + self.noise.first() * scale

    def clean(self, sigma: float, sampler: Sampler) -> Tensor:
        """The latents of the picture, at the σ where the run is to end."""
        return self.picture() * (math.hypot(1, sigma) if sampler.unit_start else 1.0)

    def keeping(self, denoise: Any, sampler: Sampler, sigmas: Sigmas) -> tuple[Any, Anew]:
        """The denoiser that believes in the picture where it is kept, and what is made anew."""
        mask = self._mask()
        anew = soft(mask, sigmas) if self._first.soft_mask else hard(mask)
        before = sampler.unit_start and self._first.inpaint_method == "blend"
        kind: type[Kept | KeptBefore] = KeptBefore if before else Kept
        return kind(denoise, self.picture(), anew), anew

    def picture(self) -> Tensor:
        """The latents of the picture, one a request, of the noise's size."""
        if self._latents is None:
            with memory_errors("encoding the picture"):
                self._latents = self._filled(self._encoded())
        return self._latents

    def _encoded(self) -> Tensor:
        one = self._encode(self.patch.image if self.patch else open_init(self._first))
        size = self._shape[1:]
        if tuple(one.shape[2:]) != size:  # resize mode latent; else the picture has the size
            one = functional.interpolate(one, size=size, mode="bilinear", antialias=False)
        return one.repeat(len(self._requests), 1, 1, 1)

    def _filled(self, latents: Tensor) -> Tensor:
        """With what the mask covers replaced, if by latents."""
        if self._first.inpaint_fill == "noise":
            fresh = self._noises([Origin(request.seed) for request in self._requests])
            return torch.lerp(latents, fresh.first(), self._mask())
        if self._first.inpaint_fill == "nothing":
            return latents * (1 - self._mask())
        return latents

    def _mask(self) -> Tensor:
        assert self.patch is not None
        mask = latent_mask(self.patch.mask, self._shape[1:], self._device)
        return mask if self._first.soft_mask else mask.round()

    def _noises(
        self, origins: Sequence[Origin], *, seen: tuple[int, int] | None = None
    ) -> ImageNoise:
        first = self._first
        return ImageNoise(
            origins,
            self._shape,
            source=first.rng,
            device=self._device,
            ensd=first.ensd,
            seen=seen,
        )
