"""Inpainting in latents: denoisers that give the picture itself wherever it is kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcli.engine.vae.codec import Codec, to_pixels
from sdcli.sampling.paths import NoisePath

Anew = Callable[[float], Tensor]
"""σ to the latents that are made anew there, 1, and those that are kept, 0: (1, 1, h, w)."""


def latent_mask(mask: Image.Image, size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize the mask to the latents' (height, width): (1, 1, h, w), 0 to 1; 1 is made anew."""
    small = mask.resize(size[::-1], Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(small)).to(device)[None, None].float() / 255


def hard(mask: Tensor) -> Anew:
    """Make each latent anew all the way, or not at all, as in A1111."""
    rounded = mask.round()
    return lambda sigma: rounded


def soft(mask: Tensor, sigmas: Sequence[float]) -> Anew:
    """Let what is masked by m join for the last share m of the run's σ's, in steps.

    This is differential diffusion (Levin & Fried 2023).
    """
    rising = [-sigma for sigma in sigmas]
    steps = len(sigmas) - 1
    return lambda sigma: (mask >= 1 - bisect_left(rising, -sigma) / steps).float()


class Blend:
    """x̂₀ is the picture's own where it is kept: A1111's blend for samplers that think in σ.

    `picture` are its latents, (n, channels, h, w).
    """

    def __init__(self, denoise: Any, picture: Tensor, anew: Anew) -> None:
        self._denoise = denoise
        self._picture = picture
        self._anew = anew

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """Return the model's x̂₀ where it is made anew, else the picture."""
        return torch.lerp(self._picture, self._denoise(x, sigma), self._anew(sigma))

    def both(self, x: Tensor, sigma: float, /) -> tuple[Tensor, Tensor]:
        """Return the same of the guided x̂₀ and of the one of the negative prompts."""
        anew = self._anew(sigma)
        guided, without = self._denoise.both(x, sigma)
        return torch.lerp(self._picture, guided, anew), torch.lerp(self._picture, without, anew)


class InputBlend:
    """A1111's blend for samplers that think in timesteps.

    The model is shown the picture itself, without noise, where it is kept; its ε is then taken for
    that of x. So what is kept drifts until the end of the run puts it back. `path` tells how the
    model's input is scaled.
    """

    def __init__(self, denoise: Any, picture: Tensor, anew: Anew, path: NoisePath) -> None:
        self._denoise = denoise
        self._picture = picture
        self._anew = anew
        self._path = path

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """Return x less the noise that the model sees in the blend."""
        shown = self._shown(x, sigma)
        return x - (shown - self._denoise(shown, sigma))

    def both(self, x: Tensor, sigma: float, /) -> tuple[Tensor, Tensor]:
        """Return the same of the guided x̂₀ and of the one of the negative prompts."""
        shown = self._shown(x, sigma)
        guided, without = self._denoise.both(shown, sigma)
        return x - (shown - guided), x - (shown - without)

    def _shown(self, x: Tensor, sigma: float) -> Tensor:
        # The picture stands in the space of the model's input, x in that of σ.
        scale = self._path.input_scale(sigma)
        return torch.lerp(self._picture * scale, x, self._anew(sigma))


def beside(
    codec: Codec, image: Image.Image, mask: Image.Image, *, tiling: bool, device: torch.device
) -> Tensor:
    """Return what an inpainting model sees beside latents: the mask, and the picture without it."""
    pixels = to_pixels(image, device)
    covered = latent_mask(mask, image.size[::-1], device).round()
    latents = codec.encode_pixels(pixels * (1 - covered), tiling=tiling)
    small = functional.interpolate(covered, size=latents.shape[-2:])
    return torch.cat([small, latents], dim=1)
