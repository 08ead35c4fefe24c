"""How pictures and latents become larger, before a model goes over them or without it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcli.errors import ModelError, UsageError
from sdcli.images.upscalers import PIXEL_UPSCALERS, LatentUpscaler, enlarged

from .device import memory_errors

Enlarge = Callable[[Image.Image, tuple[int, int]], Image.Image]
"""A picture brought to a size, (width, height)."""


def enlarged_latents(latents: Tensor, size: tuple[int, int], how: LatentUpscaler) -> Tensor:
    """Resize latents (n, channels, h, w) to `size`, (width, height)."""
    return functional.interpolate(latents, size=size[::-1], mode=how.mode, antialias=how.antialias)


def open_upscaler(name: str, device: torch.device) -> Enlarge:
    """Open an upscaler of pixels by its name, or a network by its file.

    Raises UsageError where networks cannot be read here, ModelError for a file that is none.
    """
    if name in PIXEL_UPSCALERS:
        return partial(enlarged, name=name)
    return _Network(Path(name).expanduser(), device)


class _Network:
    """A network that enlarges pictures by a fixed factor; Lanczos brings them to their size."""

    _MOST_PASSES = 3  # A1111's: a network of factor 2 gives eight times at most

    def __init__(self, path: Path, device: torch.device) -> None:
        try:
            import spandrel
        except ImportError as error:
            raise UsageError(
                f"{path.name} is a network, and the package that reads those is not installed",
                "pip install 'sdcli[upscalers]'",
            ) from error
        try:
            descriptor = spandrel.ModelLoader(device="cpu").load_from_file(path)
        except Exception as error:  # spandrel raises whatever the unpickler and the networks do
            raise ModelError(f"cannot read the upscaler {path}: {error}") from error
        if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.scale < 2:
            raise ModelError(f"{path} is not an upscaler: it does not enlarge pictures")
        if descriptor.input_channels != 3 or descriptor.output_channels != 3:
            raise ModelError(f"{path} is not an upscaler for color pictures")
        self._network: Any = descriptor.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def __call__(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """Bring the picture to that size."""
        for _ in range(self._MOST_PASSES):
            if image.width >= size[0] and image.height >= size[1]:
                break
            levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
            with memory_errors("enlarging the picture"):
                pixels = self._network(levels.to(self._device)).float()
            larger = pixels[0].clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0)
            image = Image.fromarray(larger.cpu().numpy())
        return image.resize(size, Image.Resampling.LANCZOS)
