"""The shapes of a checkpoint's networks: their configurations, read off its tensors.

A single file says nothing of how its networks are built; their tensors' names and shapes do, up to
what leaves no trace: how many heads share an attention, and an activation. Those are the family's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

from .key_mapping import UNET, VAE
from .latents import LatentSpace

Shapes = Mapping[str, tuple[int, ...]]

HEAD = 64  # channels of a head, where a family counts heads by them


def unet_config(shapes: Shapes, *, heads: int | None, summary: int = 0) -> dict[str, Any]:
    """Return UNet2DConditionModel's configuration, with `heads` in every attention.

    Where `heads` is None each has 64 channels. `summary` is the width of the prompt's summary that
    an SDXL is told, beside six sizes.

    Raises KeyError with the name of a tensor that must be there and is not.
    """
    channels: list[int] = []
    depths: list[int] = []
    layers = 0
    for i in count(1):
        stem = f"{UNET}input_blocks.{i}."
        if f"{stem}0.op.weight" in shapes:
            continue
        if f"{stem}0.in_layers.2.weight" not in shapes:
            break
        begins = i == 1 or f"{UNET}input_blocks.{i - 1}.0.op.weight" in shapes
        if begins:
            channels.append(shapes[f"{stem}0.in_layers.2.weight"][0])
            depths.append(_depth(shapes, f"{stem}1."))
        layers += len(channels) == 1
    ups = [f"{UNET}output_blocks.{block * (layers + 1)}.1." for block in range(len(channels))]
    middle = f"{UNET}middle_block.1."
    attention = next(name for name in shapes if name.endswith("attn2.to_k.weight"))
    config: dict[str, Any] = {
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": tuple(channels),
        "layers_per_block": layers,
        "down_block_types": tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths),
        "up_block_types": tuple(
            "CrossAttnUpBlock2D" if _depth(shapes, up) else "UpBlock2D" for up in ups
        ),
        # Where the last block has none of its own, this number is the middle's.
        "transformer_layers_per_block": (
            *(depth or 1 for depth in depths[:-1]),
            _depth(shapes, middle),
        ),
        "cross_attention_dim": shapes[attention][1],
        "attention_head_dim": heads or tuple(width // HEAD for width in channels),
        "use_linear_projection": len(shapes[f"{middle}proj_in.weight"]) == 2,
    }
    if f"{UNET}label_emb.0.0.weight" in shapes:
        size = shapes[f"{UNET}label_emb.0.0.weight"][1]
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (size - summary) // 6,
            "projection_class_embeddings_input_dim": size,
        }
    return config


def _depth(shapes: Shapes, stem: str) -> int:
    """Return how many transformer blocks the attention at `stem` has; 0 for none."""
    for depth in count():
        if f"{stem}transformer_blocks.{depth}.norm1.weight" not in shapes:
            return depth
    raise AssertionError


def vae_config(shapes: Shapes, *, space: LatentSpace) -> dict[str, Any]:
    """Return AutoencoderKL's configuration, with scale and shift of `space`.

    Raises KeyError as `unet_config` does.
    """
    blocks = _numbers(shapes, rf"{re.escape(VAE)}encoder\.down\.(\d+)\.")
    layers = _numbers(shapes, rf"{re.escape(VAE)}encoder\.down\.0\.block\.(\d+)\.")
    widths = [shapes[f"{VAE}encoder.down.{i}.block.0.conv1.weight"][0] for i in range(blocks)]
    return {
        "block_out_channels": tuple(widths),
        "down_block_types": ("DownEncoderBlock2D",) * blocks,
        "up_block_types": ("UpDecoderBlock2D",) * blocks,
        "layers_per_block": layers,
        "latent_channels": shapes[f"{VAE}decoder.conv_in.weight"][1],
        "scaling_factor": space.scale,
        **({"shift_factor": space.shift} if space.shift else {}),
    }


def clip_config(shapes: Shapes, prefix: str) -> dict[str, Any]:
    """Return CLIPTextConfig's arguments for OpenAI's CLIP under `prefix`."""
    inside = f"{prefix}transformer.text_model."
    if not any(name.startswith(inside) for name in shapes):  # as the first files have it
        inside = f"{prefix}transformer."
    return {
        **_text(shapes, f"{inside}embeddings.token_embedding.weight"),
        "max_position_embeddings": shapes[f"{inside}embeddings.position_embedding.weight"][0],
        "intermediate_size": shapes[f"{inside}encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _numbers(shapes, rf"{re.escape(inside)}encoder\.layers\.(\d+)\."),
        "hidden_act": "quick_gelu",
    }


def open_clip_config(shapes: Shapes, prefix: str, *, most: int | None) -> dict[str, Any]:
    """Return CLIPTextConfig's arguments for OpenCLIP, of whose layers the first `most` are used."""
    inside = f"{prefix}model."
    layers = _numbers(shapes, rf"{re.escape(inside)}transformer\.resblocks\.(\d+)\.")
    width = shapes[f"{inside}ln_final.weight"][0]
    return {
        **_text(shapes, f"{inside}token_embedding.weight"),
        "max_position_embeddings": shapes[f"{inside}positional_embedding"][0],
        "intermediate_size": shapes[f"{inside}transformer.resblocks.0.mlp.c_fc.weight"][0],
        "num_hidden_layers": min(layers, most or layers),
        "projection_dim": shapes.get(f"{inside}text_projection", (0, width))[1],
        "hidden_act": "gelu",
    }


def _text(shapes: Shapes, embedding: str) -> dict[str, Any]:
    vocabulary, width = shapes[embedding]
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "projection_dim": width,
        "num_attention_heads": max(width // HEAD, 1),
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
    }


def _numbers(shapes: Shapes, pattern: str) -> int:
    """Return how many numbers follow one another from 0 in names that begin with `pattern`."""
    form = re.compile(pattern)
    numbers = {int(match[1]) for name in shapes if (match := form.match(name))}
    return len(numbers)
