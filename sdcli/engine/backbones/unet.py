"""UNet2DConditionModel as a backbone: Stable Diffusion 1, 2 and XL."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from sdcli.engine.speed.deep_cache import LastLayer
from sdcli.engine.speed.token_merging import Merging, finest_blocks
from sdcli.engine.text import Conditioning

from . import Capabilities
from .perturbed import self_attending_to_itself

_KEPT = 40
"""Numbers that a call of a UNet keeps at most, for each place of its widest layer: measured, 25 for
Stable Diffusion 1 and 38 for the model that ships, where attention makes no table of its own."""


class UNet:
    """A UNet, a Backbone."""

    name = "UNet"

    def __init__(self, network: Any) -> None:
        self.network = network

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        dtype: torch.dtype = self.network.dtype
        return dtype

    @cached_property
    def capabilities(self) -> Capabilities:
        """All of them; an SDXL has no transformer blocks at its highest resolution to merge in."""
        network = self.network
        return Capabilities(
            deep_cache=LastLayer(network),
            token_merging=partial(Merging, network) if finest_blocks(network) else None,
            perturbed_attention=lambda: self_attending_to_itself(network.mid_block),
            compiled_blocks=(BasicTransformerBlock, ResnetBlock2D),
            graphs=True,
        )

    def prepare(self, conditioning: Conditioning, *, width: int, height: int) -> Conditioning:
        """Add SDXL's further arguments for a picture of that size, uncropped."""
        pooled = conditioning.pooled
        if pooled is None:
            return conditioning
        sizes = [height, width, 0, 0, height, width]  # as it was, cut at, as it is to be
        ids = torch.tensor([sizes], device=pooled.device, dtype=pooled.dtype)
        extras = {"text_embeds": pooled, "time_ids": ids.expand(len(pooled), -1)}
        return replace(conditioning, extras=extras)

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """Return ε or v, shaped like latents."""
        # A1111 rounds t to half precision with the rest; bf16, which it lacks, would lose whole
        # timesteps.
        output: Tensor = self.network(
            x,
            t.half() if x.dtype == torch.float16 else t,
            encoder_hidden_states=conditioning.context,
            added_cond_kwargs=conditioning.extras or None,
            return_dict=False,
        )[0]
        return output

    def numbers(self, places: int) -> int:
        """Return how many numbers a call keeps at most per row."""
        return _KEPT * int(self.network.config.block_out_channels[0]) * places

    def attention_table(self, places: int) -> int:
        """Return the size of the first block's table: heads times all pairs of places."""
        heads = self.network.config.attention_head_dim
        return int(heads if isinstance(heads, int) else heads[0]) * places**2
