"""The space that a model makes its pictures in, and what lies between it and pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T", bound=Any)


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """Latents (channels, height / factor, width / factor) of a picture in pixels.

    After encoding, `shift` is taken away and the rest multiplied by `scale`, so that they have
    about unit variance. Sides of a picture are whole multiples of `multiple` pixels, itself one of
    `factor`: more where a network takes latents by patches.
    """

    channels: int = 4
    factor: int = 8
    scale: float = 0.18215
    shift: float = 0.0
    multiple: int = 8

    def of_mean(self, mean: T) -> T:
        """Make latents of the mean of the VAE's posterior."""
        latents: T = (mean - self.shift) * self.scale
        return latents

    def to_vae(self, latents: T) -> T:
        """Return what the VAE decodes."""
        own: T = latents / self.scale + self.shift
        return own

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return (height, width) of the latents of a picture of so many pixels."""
        return height // self.factor, width // self.factor

    def with_vae(self, config: Mapping[str, Any]) -> LatentSpace:
        """Return the space of an AutoencoderKL so configured; what `config` does not say stays."""
        blocks = config.get("block_out_channels")
        factor = 2 ** (len(blocks) - 1) if blocks else self.factor
        return LatentSpace(
            channels=int(config.get("latent_channels", self.channels)),
            factor=factor,
            scale=float(config.get("scaling_factor", self.scale)),
            shift=float(config.get("shift_factor") or self.shift),
            multiple=self.multiple * factor // self.factor,
        )
