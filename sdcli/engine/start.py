"""What a run begins with: its seeds' noise, alone or over a picture, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcli.engine.denoise.inpaint import Anew, Blend, InputBlend, hard, latent_mask, soft
from sdcli.engine.noise.streams import ImageNoise, Origin
from sdcli.images.masks import Patch
from sdcli.notices import silent
from sdcli.request.pictures import open_init, open_patch
from sdcli.sampling import Sampler
from sdcli.sampling.img2img import Tail
from sdcli.sampling.protocols import Sigmas

from .batch import Batch
from .device import memory_errors

Encode = Callable[[Image.Image], Tensor]


class Start:
    """The noise of a batch, and the picture that some requests begin from.

    `encode` makes latents of a picture. `latents` are those of the picture where it is no file.
    """

    def __init__(
        self,
        batch: Batch,
        encode: Encode,
        device: torch.device,
        latents: Tensor | None = None,
    ) -> None:
        self._batch = batch
        self._settings = settings = batch.settings
        self._encode = encode
        self._device = device
        self.noise = self._noises(
            [Origin(row.seed, row.variation_seed, row.variation_strength) for row in batch.rows],
            resized_from=settings.seed_resize and batch.space.size(*settings.seed_resize),
        )
        self.patch: Patch | None = open_patch(settings, silent) if settings.masked else None
        self._latents = latents

    def noised(self, tail: Tail, sampler: Sampler) -> Tensor:
        """Return the picture with as much noise as it has where it enters the run."""
        settings, picture = self._settings, self.picture()
        if not tail.sigmas:
            return picture
        keep, noise = sampler.picture_scales(tail.sigmas[0], tail.noise)
        # A1111's extra noise is of unit variance, in samplers of unit variance shrunk with x.
        extra = settings.extra_noise * (keep if sampler.unit_start else 1.0)
        scale = (noise + extra) * settings.noise_multiplier
        return picture * keep + self.noise.first() * scale

    def clean(self, sigma: float, sampler: Sampler) -> Tensor:
        """Return the latents of the picture, at the σ where the run is to end."""
        return self.picture() * sampler.end_scale(sigma)

    def keeping(self, denoise: Any, sampler: Sampler, sigmas: Sigmas) -> tuple[Any, Anew]:
        """Return the denoiser that gives the picture where it is kept, and what is made anew."""
        mask = self._mask()
        anew = soft(mask, sigmas) if self._settings.soft_mask else hard(mask)
        if sampler.unit_start and self._settings.inpaint_method == "blend":
            return InputBlend(denoise, self.picture(), anew, sampler.path), anew
        return Blend(denoise, self.picture(), anew), anew

    def picture(self) -> Tensor:
        """Return the latents of the picture, one a request, of the noise's size."""
        if self._latents is None:
            with memory_errors("encoding the picture"):
                self._latents = self._filled(self._encoded())
        return self._latents

    def _encoded(self) -> Tensor:
        one = self._encode(self.patch.image if self.patch else open_init(self._settings))
        size = self._batch.latent_shape[1:]
        if tuple(one.shape[2:]) != size:  # resize mode latent; else the picture has the size
            one = functional.interpolate(one, size=size, mode="bilinear", antialias=False)
        return one.repeat(len(self._batch), 1, 1, 1)

    def _filled(self, latents: Tensor) -> Tensor:
        """Replace what the mask covers, if latents are to fill it."""
        if self._settings.inpaint_fill == "noise":
            fresh = self._noises([Origin(row.seed) for row in self._batch.rows])
            return torch.lerp(latents, fresh.first(), self._mask())
        if self._settings.inpaint_fill == "nothing":
            return latents * (1 - self._mask())
        return latents

    def _mask(self) -> Tensor:
        assert self.patch is not None
        mask = latent_mask(self.patch.mask, self._batch.latent_shape[1:], self._device)
        return mask if self._settings.soft_mask else mask.round()

    def _noises(
        self, origins: Sequence[Origin], *, resized_from: tuple[int, int] | None = None
    ) -> ImageNoise:
        return ImageNoise(
            origins,
            self._batch.latent_shape,
            source=self._settings.rng,
            device=self._device,
            ensd=self._settings.ensd,
            resized_from=resized_from,
        )
