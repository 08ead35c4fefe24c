"""The way between latents and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np
import torch
from accelerate.hooks import remove_hook_from_submodules
from PIL import Image
from torch import Tensor, nn

from sdcli.engine.device import memory_errors
from sdcli.engine.speed.packing import unpack
from sdcli.errors import OutOfMemory, SdcliError
from sdcli.models.latents import LatentSpace

from .strips import decode_in_strips


def pad_around(network: nn.Module, wanted: bool) -> bool:
    """Let every convolution wrap around, or pad with zeros; whether that is a change.

    With the first a picture has edges that meet; they were trained with the second.
    """
    mode: Any = "circular" if wanted else "zeros"
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    first = next(convolutions, None)  # runs ask at every step, and a network has hundreds
    if first is None or first.padding_mode == mode:
        return False
    for convolution in (*convolutions, first):  # the one that tells of all comes last
        convolution.padding_mode = mode
    return True


class Codec:
    """The VAE that all runs of an engine share: each pads as it wants, one at a time."""

    def __init__(self, vae: Any, *, space: LatentSpace, device: torch.device) -> None:
        self._vae = vae
        self.space = space
        self._device = device
        self._lock = RLock()

    def encode(self, image: Image.Image, *, tiling: bool) -> Tensor:
        """Encode a picture of height × width pixels to latents (1, channels, h, w), float32."""
        return self.encode_pixels(to_pixels(image, self._device), tiling=tiling)

    def encode_pixels(self, pixels: Tensor, *, tiling: bool) -> Tensor:
        """Do the same with pixels (1, 3, height, width) from -1 to 1, where the VAE runs."""
        with self._padded(tiling):
            return encode_pixels(self._vae, pixels, space=self.space)

    def decode(
        self, latents: Tensor, *, tiling: bool, say: Callable[[str], None]
    ) -> list[Image.Image]:
        """Decode latents (n, channels, h, w), float32, to n pictures. Raises SdcliError."""
        with self._padded(tiling):
            return decode(self._vae, latents, space=self.space, say=say)

    @contextmanager
    def _padded(self, tiling: bool) -> Iterator[None]:
        with self._lock:
            pad_around(self._vae, tiling)
            yield


def encode(vae: Any, image: Image.Image, *, space: LatentSpace, device: torch.device) -> Tensor:
    """Encode a picture to latents (1, channels, h, w) of `space`, float32: the posterior's mean."""
    return encode_pixels(vae, to_pixels(image, device), space=space)


def to_pixels(image: Image.Image, device: torch.device) -> Tensor:
    """Turn a picture into pixels (1, 3, height, width), float32, from -1 to 1."""
    levels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
    # Contiguous: Metal has convolved channels that lie last wrongly (pytorch #180984).
    return (levels.float() / 127.5 - 1).contiguous().to(device)


@torch.inference_mode()
def encode_pixels(vae: Any, pixels: Tensor, *, space: LatentSpace) -> Tensor:
    """Encode pixels (1, 3, height, width) from -1 to 1 likewise, where the VAE runs."""
    mean: Tensor = vae.encode(pixels.to(vae.dtype)).latent_dist.mean
    return space.of_mean(mean.float())


@torch.inference_mode()
def decode(
    vae: Any, latents: Tensor, *, space: LatentSpace, say: Callable[[str], None]
) -> list[Image.Image]:
    """Decode latents (n, channels, h, w) of that space, float32, to n pictures.

    One at a time, so that a batch takes no more memory than one picture; in strips where one is too
    large for the device, and said. A VAE that yields NaN in half precision is moved to fp32 for
    good, and said. Raises SdcliError if it still does.
    """
    decoder = _Decoder(vae, say)
    pictures = []
    for latent in latents.split(1):
        pixels = decoder(space.to_vae(latent))
        if torch.isnan(pixels).any() and vae.dtype != torch.float32:
            say("the VAE returned NaN in half precision: continuing in fp32")
            # Weights that wait elsewhere for their call would be fetched in half precision.
            remove_hook_from_submodules(vae)
            unpack(vae, torch.float32)
            vae.to(latent.device, torch.float32)
            pixels = decoder(space.to_vae(latent))
        if torch.isnan(pixels).any():
            raise SdcliError(
                "the VAE returned NaN",
                "its file may be damaged: try another VAE with --vae, or another model",
            )
        # A1111 truncates here; rounding would differ by one level in half of the pixels.
        levels = ((pixels + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
        pictures.append(Image.fromarray(levels[0].permute(1, 2, 0).cpu().numpy()))
    return pictures


class _Decoder:
    """Decodes whole pictures until one does not fit, and strips from then on."""

    def __init__(self, vae: Any, say: Callable[[str], None]) -> None:
        self._vae = vae
        self._say = say
        self._whole = True

    def __call__(self, latent: Tensor) -> Tensor:
        """Decode latents of the VAE's own scale to pixels, float32, from -1 to 1."""
        latent = latent.to(self._vae.dtype)
        if self._whole:
            try:
                with memory_errors("decoding"):
                    return self._vae.decode(latent, return_dict=False)[0].float()
            except OutOfMemory:
                self._whole = False
            # Outside the handler, whose error still holds on to the layers that filled the memory.
            self._say("the picture is too large for memory: decoding it in strips")
        with memory_errors("decoding in strips"):
            return decode_in_strips(self._vae, latent).float()
