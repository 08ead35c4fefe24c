"""What is run through a pretended device: every kind of work, at the smallest size that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from sdcli.request import GenerationRequest

R = 2  # of the LoRAs
WIDTH = 32  # of the tiny model's text
LINEAR = "up_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q"  # 32 × 32
CONVOLUTION = "mid_block_resnets_0_conv1"  # 32 × 32 × 3 × 3
TEXT = "encoder_layers_0_self_attn_q_proj"  # 32 × 32

BASE: dict[str, Any] = {
    "prompt": "a (red:1.2) fox",
    "negative_prompt": "blue",
    "seed": 1,
    "steps": 3,
    "sampler": "Euler",
    "width": 64,
    "height": 64,
    "cfg_scale": 4.0,
}
_OVER: dict[str, Any] = {"init_img": "in.png", "strength": 0.7, "width": None, "height": None}
MASKED: dict[str, Any] = _OVER | {"mask_rect": ((0, 0, 32, 32),), "mask_blur": 4}
_TILES: dict[str, Any] = _OVER | {"upscale": 1.5, "tile_overlap": 16, "width": 64, "height": 64}
_HIRES: dict[str, Any] = {"hires_scale": 1.5, "hires_steps": 2}

WORKS: dict[str, dict[str, Any]] = {
    "txt2img": {},
    "without guidance": {"cfg_scale": 1.0},
    "prompts by turns": {"prompt": "[a|b] [c:d:1] AND e :0.5", "clip_skip": 2},
    "weights ignored": {"emphasis": "no-norm"},
    "a variation": {"variation_seed": 5, "variation_strength": 0.3},
    "a size seen before": {"seed_resize": (64, 80), "height": 96},
    "CPU noise": {"rng": "cpu", "ensd": 3, "sampler": "Euler a"},
    "tiling": {"tiling": True},
    "cfg rescale": {"cfg_rescale": 0.7},
    "thresholding": {"mimic_scale": 3.0, "threshold_percentile": 0.9},
    "early steps without": {"skip_early_cfg": 0.5, "ngms": 3.0},
    "perturbed attention": {"pag_scale": 3.0},
    "token merging": {"token_merging_ratio": 0.5},
    "deep cache": {"deep_cache": 2, "steps": 4},
    "own sigmas": {"sigmas": "10,3,1,0"},
    "img2img": _OVER,
    "img2img, as latents": _OVER | {"resize_mode": "latent", "width": 72, "height": 64},
    "img2img, more noise": _OVER | {"extra_noise": 0.2, "full_steps": True},
    "img2img without steps": _OVER | {"strength": 0.0},
    "img2img along a path": _OVER | {"sampler": "DPM++ SDE"},
    "inversion": _OVER | {"strength": None, "invert": True, "invert_prompt": "a fox"},
    "inversion by DDIM": _OVER | {"strength": None, "invert": True, "sampler": "DDIM"},
    "inpainting": MASKED,
    "inpainting in timesteps": MASKED | {"sampler": "DDIM"},
    "inpainting over noise": MASKED | {"inpaint_fill": "noise"},
    "inpainting over nothing": MASKED | {"inpaint_fill": "nothing"},
    "inpainting what was there": MASKED | {"inpaint_fill": "original", "invert_mask": True},
    "inpainting at full size": MASKED | {"inpaint_area": "masked", "width": 64, "height": 64},
    "inpainting of an alpha": MASKED | {"mask_rect": (), "mask": "mask.png"},
    "a soft mask": MASKED | {"mask_rect": (), "mask": "mask.png", "soft_mask": True},
    "repaint": MASKED | {"inpaint_method": "repaint", "repaint_jump": 1, "repaint_times": 2},
    "outpainting": _OVER | {"outpaint": "left=16", "mask_blur": 4},
    "hires": _HIRES | {"hires_upscaler": "Latent"},
    "hires, antialiased": _HIRES | {"hires_upscaler": "Latent (antialiased)"},
    "hires, bicubic": _HIRES | {"hires_upscaler": "Latent (bicubic)"},
    "hires, bicubic antialiased": _HIRES | {"hires_upscaler": "Latent (bicubic antialiased)"},
    "hires, nearest": _HIRES | {"hires_upscaler": "Latent (nearest)"},
    "hires, nearest-exact": _HIRES | {"hires_upscaler": "Latent (nearest-exact)"},
    "hires by pixels": _HIRES | {"hires_upscaler": "Lanczos", "hires_sampler": "DPM++ 2M SDE"},
    "tiles": _TILES,
    "LoRA": {"prompt": "a fox <lora:lora:0.8>"},
    "LoRA, float64": {"prompt": "a fox <lora:float64:0.8>"},
    "LoCon": {"prompt": "a fox <lora:locon:0.8>"},
    "LoHa": {"prompt": "a fox <lora:loha:0.8>"},
    "LoKr": {"prompt": "a fox <lora:lokr:0.8>"},
    "DoRA": {"prompt": "a fox <lora:dora:0.8>"},
    "LoRAs together": {
        "prompt": "<lora:lora:0.8> a <lora:dora:0.5> <lora:lokr:0.1>",
        "tiling": True,
    },
    "a textual inversion": {"prompt": "a film fox", "negative_prompt": "(film:1.3)"},
}
"""What each changes of `BASE`."""


def request(**changes: Any) -> GenerationRequest:
    """`BASE` with these changes."""
    values = BASE | changes
    return GenerationRequest(**{k: v for k, v in values.items() if v is not None})


def write_pictures(folder: Path) -> None:
    """in.png and mask.png, of 64 by 64 pixels."""
    levels = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC).save(folder / "in.png")
    shades = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    Image.fromarray(shades).save(folder / "mask.png")


def write_adapters(folder: Path) -> None:
    """A models folder of LoRAs, one of each format, and a textual inversion."""
    loras, words = folder / "Lora", folder / "embeddings"
    loras.mkdir()
    words.mkdir()
    for name, tensors in _loras().items():
        save_file(tensors, loras / f"{name}.safetensors")
    save_file({"emb_params": _noise(2, WIDTH)}, words / "film.safetensors")


def _loras() -> dict[str, dict[str, Tensor]]:
    plain = {
        **_named(f"lora_unet_{LINEAR}", **{"lora_down.weight": _noise(R, 32)}),
        **_named(f"lora_unet_{LINEAR}", **{"lora_up.weight": _noise(32, R)}),
        **_named(f"lora_te_text_model_{TEXT}", **{"lora_down.weight": _noise(R, 32)}),
        **_named(f"lora_te_text_model_{TEXT}", **{"lora_up.weight": _noise(32, R)}),
        **_named(f"lora_unet_{LINEAR}", alpha=torch.tensor(1.0)),
    }
    convolution = f"lora_unet_{CONVOLUTION}"
    locon = _named(
        convolution,
        **{
            "lora_down.weight": _noise(R, 32, 1, 1),
            "lora_mid.weight": _noise(R, R, 3, 3),
            "lora_up.weight": _noise(32, R, 1, 1),
        },
    )
    loha = {
        **_named(
            f"lora_unet_{LINEAR}",
            **{f"hada_w{half}_a": _noise(32, R) for half in "12"},
            **{f"hada_w{half}_b": _noise(R, 32) for half in "12"},
        ),
        **_named(
            convolution,
            **{f"hada_t{half}": _noise(R, R, 3, 3) for half in "12"},
            **{f"hada_w{half}_{side}": _noise(R, 32) for half in "12" for side in "ab"},
        ),
    }
    lokr = {
        **_named(
            f"lora_unet_{LINEAR}",
            lokr_w1=_noise(4, 4),
            lokr_w2_a=_noise(8, R),
            lokr_w2_b=_noise(R, 8),
        ),
        **_named(convolution, lokr_w1=_noise(4, 4), lokr_w2=_noise(8, 8, 3, 3)),
    }
    dora = plain | _named(f"lora_unet_{LINEAR}", dora_scale=_noise(1, 32).abs())
    return {
        "lora": plain,
        "float64": {name: tensor.double() for name, tensor in plain.items()},
        "locon": locon,
        "loha": loha,
        "lokr": lokr,
        "dora": dora | locon | _named(convolution, dora_scale=_noise(1, 32, 1, 1).abs()),
    }


def _named(layer: str, **parts: Tensor) -> dict[str, Tensor]:
    return {f"{layer}.{part}": tensor for part, tensor in parts.items()}


def _noise(*shape: int) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
