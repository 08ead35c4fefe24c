"""Tiny random checkpoints of every family, as Stable Diffusion has them but for their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from tiny import write_folder, write_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

ATTENDING = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
RISING = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
END = "<|endoftext|>"
TINY = (
    "sd1",
    "sd1-inpainting",
    "sd2",
    "sd2-v",
    "sd2-inpainting",
    "sdxl",
    "sdxl-v",
    "sdxl-inpainting",
)


def text_config(vocabulary: int, width: int, *, open_clip: bool) -> CLIPTextConfig:
    """CLIP's, made small: 64 channels a head."""
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        projection_dim=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=width // 64,
        hidden_act="gelu" if open_clip else "quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )


XL: dict[str, Any] = {
    "block_out_channels": (64, 128, 128),
    "cross_attention_dim": 192,
    "transformer_layers_per_block": (1, 1, 2),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 128 + 6 * 32,
}
EARLIER: dict[str, Any] = {
    "block_out_channels": (64, 64, 128, 128),
    "down_block_types": ATTENDING,
    "up_block_types": RISING,
}


def networks(kind: str, vocabulary: int, *, channels: int = 4, width: int = 128) -> dict[str, Any]:
    """Networks as Stable Diffusion has them, made small: 8 heads, or 64 channels a head.

    `width` is that of the text encoder, but for SDXL's two.
    """
    linear = kind != "sd1"
    shape = XL if kind == "sdxl" else EARLIER | {"cross_attention_dim": width}
    heads = tuple(width // 64 for width in shape["block_out_channels"]) if linear else 8
    unet = UNet2DConditionModel(
        sample_size={"sd1": 64, "sd2": 64, "sdxl": 128}[kind],
        attention_head_dim=heads,
        use_linear_projection=linear,
        layers_per_block=2,
        in_channels=channels,
        **shape,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.13025 if kind == "sdxl" else 0.18215,
    )
    found = {"unet": unet, "vae": vae}
    if kind == "sdxl":
        first = text_config(vocabulary, 64, open_clip=False)
        second = text_config(vocabulary, 128, open_clip=True)
        return found | {
            "text_encoder": CLIPTextModel(first),
            "text_encoder_2": CLIPTextModelWithProjection(second),
        }
    return found | {
        "text_encoder": CLIPTextModel(text_config(vocabulary, width, open_clip=kind == "sd2"))
    }


def write_family(folder: Path, name: str) -> Path:
    """A folder of random weights of that family; returns it."""
    torch.manual_seed(5)
    kind = name.partition("-")[0]
    vocabulary = write_tokenizer(folder / "tokenizer", pad="!" if kind == "sd2" else END)
    if kind == "sdxl":
        write_tokenizer(folder / "tokenizer_2", pad="!")
    inpainting, predicts_v = name.endswith("-inpainting"), name.endswith("-v")
    width = {"sd1": 768, "sd2": 1024, "sdxl": 0}[kind]  # by which a folder's family is told
    parts = networks(kind, vocabulary, channels=9 if inpainting else 4, width=width)
    if predicts_v:
        parts["unet"].conv_out.bias.data -= 3  # by which a Stable Diffusion 2 for v is known
    prediction = "v_prediction" if predicts_v else "epsilon"
    write_folder(folder, parts, prediction=prediction, inpainting=inpainting)
    return folder
