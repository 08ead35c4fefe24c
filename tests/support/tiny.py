"""The tiny random checkpoint: Stable Diffusion's layout at a size that loads in a moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LETTERS = [chr(code) for code in range(33, 127)]


def write_tiny_model(
    folder: Path, *, prediction: str = "epsilon", seed: int = 0, width: int = 32
) -> Path:
    """A diffusers folder of random weights: 64×64 native, text width `width`."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.2,
    )
    vocabulary = write_tokenizer(folder / "tokenizer")
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 2,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )
    write_folder(folder, {"unet": unet, "vae": vae, "text_encoder": text}, prediction=prediction)
    return folder


def write_folder(
    folder: Path,
    networks: Mapping[str, Any],
    *,
    prediction: str = "epsilon",
    inpainting: bool = False,
) -> None:
    """A diffusers folder of these networks, but for the tokenizer."""
    for name, network in networks.items():
        network.save_pretrained(folder / name)
    scheduler = {
        "_class_name": "EulerDiscreteScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": prediction,
    }
    _write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    xl = "text_encoder_2" in networks
    _write_json(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusion"
            + ("XL" if xl else "")
            + ("InpaintPipeline" if inpainting else "Pipeline"),
            "_diffusers_version": "0.42.1",
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "feature_extractor": [None, None],
            **(_SECOND if xl else _NO_CHECKER),
        },
    )


_SECOND = {
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
}
_NO_CHECKER = {"safety_checker": [None, None], "requires_safety_checker": False}


def write_tokenizer(folder: Path, *, pad: str = "<|endoftext|>") -> int:
    """A vocabulary of single letters; returns its size."""
    from transformers import CLIPTokenizerFast

    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS)]
    vocabulary = {word: index for index, word in enumerate(words)}
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    _write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizerFast.from_pretrained(folder, model_max_length=77, pad_token=pad)
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
