"""The checkpoint of SDXL's size: a folder of random weights in fp16, 7 GB, made on a card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.loading import VOCABULARY
from sdcli.models import find

NAME, SIZE = "SDXL", 1024
_WIDTHS = (768, 1280)  # of the two text encoders, whose embeddings lie side by side
UNET: Mapping[str, Any] = {
    "sample_size": SIZE // 8,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": sum(_WIDTHS),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": _WIDTHS[1] + 6 * 256,
}
VAE: Mapping[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "sample_size": SIZE,
    "scaling_factor": 0.13025,
}
_TEXT = (
    {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "quick_gelu"},
    {"num_hidden_layers": 32, "num_attention_heads": 20, "hidden_act": "gelu"},
)
_INDEX = {
    "_class_name": "StableDiffusionXLPipeline",
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "force_zeros_for_empty_prompt": True,
}
_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
}


def write(folder: Path, device: str) -> Path:
    """Write it, unless it is there; the folder."""
    if folder.is_dir():
        return folder
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    for part, network in _networks(device):
        network.save_pretrained(draft / part)
    for number in ("", "_2"):
        shutil.copytree(find("builtin").path / "tokenizer", draft / f"tokenizer{number}")
    (draft / "scheduler").mkdir()
    (draft / "scheduler" / "scheduler_config.json").write_text(json.dumps(_SCHEDULER))
    (draft / "model_index.json").write_text(json.dumps(_INDEX))
    return draft.rename(folder)


def _networks(device: str) -> Iterator[tuple[str, Any]]:
    """One after the other, so that a card holds one at a time."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    with _made_on(device):
        yield "unet", UNet2DConditionModel(**UNET)
        yield "vae", AutoencoderKL(**VAE)
        kinds = (CLIPTextModel, CLIPTextModelWithProjection)
        for number, (kind, width) in enumerate(zip(kinds, _WIDTHS, strict=True)):
            config = CLIPTextConfig(
                vocab_size=VOCABULARY,
                eos_token_id=2,
                hidden_size=width,
                intermediate_size=4 * width,
                projection_dim=width,
                **_TEXT[number],
            )
            yield f"text_encoder{'_2' if number else ''}", kind(config)


@contextmanager
def _made_on(device: str) -> Iterator[None]:
    """Networks are made there, in half precision."""
    import torch

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(usual)
