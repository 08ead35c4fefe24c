"""Latent spaces: scale and shift, sizes, and what a VAE's configuration says of them."""

from __future__ import annotations

import pytest

from sdcli.models.families import FAMILIES
from sdcli.models.latents import LatentSpace

FLUX = LatentSpace(channels=16, scale=0.3611, shift=0.1159, multiple=16)


@pytest.mark.parametrize("space", [FLUX, *(family.latents for family in FAMILIES)], ids=str)
def test_what_is_encoded_is_decoded(space: LatentSpace) -> None:
    assert space.to_vae(space.of_mean(0.7)) == pytest.approx(0.7)
    assert space.of_mean(space.shift) == 0
    assert space.size(1024, 512) == (512 // space.factor, 1024 // space.factor)


def test_a_vae_says_what_its_latents_are() -> None:
    config = {"latent_channels": 16, "scaling_factor": 1.5, "shift_factor": 0.06}
    found = LatentSpace().with_vae({**config, "block_out_channels": (1, 1, 1, 1)})
    assert found == LatentSpace(16, 8, 1.5, 0.06)
    deeper = FLUX.with_vae({"block_out_channels": (1, 1, 1, 1, 1)})
    assert (deeper.factor, deeper.multiple, deeper.scale) == (16, 32, FLUX.scale)
    assert FLUX.with_vae({}) == FLUX.with_vae({"shift_factor": None}) == FLUX
