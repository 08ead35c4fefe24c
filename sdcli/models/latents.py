"""The space that a model makes its pictures in, and what lies between it and pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T", bound=Any)
Number: TypeAlias = float | tuple[float, ...]


def _along(number: Number, latents: Any) -> Any:
    """Return a number for each channel as a tensor that multiplies latents; one as it is."""
    if isinstance(number, tuple):
        return latents.new_tensor(number).reshape(-1, 1, 1)
    return number


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """Latents (channels, height / factor, width / factor) of a picture in pixels.

    After encoding, `shift` is taken away and the rest multiplied by `scale`, so that they have
    about unit variance; either may be a number for each channel. Sides of a picture are whole
    multiples of `multiple` pixels, itself one of `factor`: more where a network takes latents by
    patches.
    """

    channels: int = 4
    factor: int = 8
    scale: Number = 0.18215
    shift: Number = 0.0
    multiple: int = 8

    def of_mean(self, mean: T) -> T:
        """Make latents of the mean of the VAE's posterior."""
        latents: T = (mean - _along(self.shift, mean)) * _along(self.scale, mean)
        return latents

    def to_vae(self, latents: T) -> T:
        """Return what the VAE decodes."""
        own: T = latents / _along(self.scale, latents) + _along(self.shift, latents)
        return own

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return (height, width) of the latents of a picture of so many pixels."""
        return height // self.factor, width // self.factor

    def with_vae(self, config: Mapping[str, Any]) -> LatentSpace:
        """Return the space of an AutoencoderKL so configured; what `config` does not say stays.

        As diffusers has it, `latents_mean` and `latents_std` are statistics of each channel before
        they are scaled.
        """
        blocks = config.get("block_out_channels")
        factor = 2 ** (len(blocks) - 1) if blocks else self.factor
        factor_of_scale, shift_of_all = config.get("scaling_factor"), config.get("shift_factor")
        scale = self.scale if factor_of_scale is None else float(factor_of_scale)
        shift = float(shift_of_all) if shift_of_all else self.shift
        if (mean := config.get("latents_mean")) and (deviation := config.get("latents_std")):
            whole = 1.0 if factor_of_scale is None else float(factor_of_scale)
            scale, shift = tuple(whole / std for std in deviation), tuple(mean)
        return LatentSpace(
            channels=int(config.get("latent_channels", self.channels)),
            factor=factor,
            scale=scale,
            shift=shift,
            multiple=self.multiple * factor // self.factor,
        )
