"""How much arithmetic a step and a decode are, counted on diffusers' networks.

They are built without memory: what counts is their shape, not their weights. Layers that are packed
for oneDNN would not be counted at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from sdcli.models import find

_WORDS = 77


def of_step(model: str, size: int) -> float:
    """FLOPs of a step of one picture: a call with the prompt and one without."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(_config(UNet2DConditionModel, model, "unet"))
        x = torch.empty(2, unet.config.in_channels, size // 8, size // 8)
        context = torch.empty(2, _WORDS, unet.config.cross_attention_dim)
        added = None
        if unet.config.addition_embed_type == "text_time":
            ids = torch.empty(2, 6)
            pooled = unet.config.projection_class_embeddings_input_dim
            pooled -= ids.shape[1] * unet.config.addition_time_embed_dim
            added = {"text_embeds": torch.empty(2, pooled), "time_ids": ids}
        return _counted(lambda: unet(x, torch.empty(2), context, added_cond_kwargs=added))


def of_decode(model: str, size: int) -> float:
    """FLOPs of the decode of one picture."""
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(_config(AutoencoderKL, model, "vae"))
        latents = torch.empty(1, vae.config.latent_channels, size // 8, size // 8)
        return _counted(lambda: vae.decode(latents))


def _config(kind: Any, model: str, part: str) -> Any:
    return kind.load_config(find(model).path / part)


def _counted(call: Callable[[], object]) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
