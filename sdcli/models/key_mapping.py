"""The two layouts of a checkpoint: where diffusers' tensors stand in an original single file.

Stable Diffusion's own files (CompVis, Stability AI) hold all networks under one roof and number
their blocks from input to output; diffusers names them by what they are. Names are translated one
way only, from diffusers' to the original's: who loads a file asks for the tensors that its networks
have, one by one, and so finds at once what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

UNET = "model.diffusion_model."
VAE = "first_stage_model."
AVERAGE = "model_ema."  # the U-Net's running average, which some files hold and nothing here reads


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor stands in the original layout: under `name`, prefix included.

    `third` is its part of a tensor that holds three in a row (query, key, value), None for the
    whole. `transposed` tensors are stored turned. Shapes may differ by trailing ones (a linear
    layer that was a 1×1 convolution).
    """

    name: str
    third: int | None = None
    transposed: bool = False


def _replaced(text: str, table: Mapping[str, str]) -> str:
    for theirs, original in table.items():
        if text.startswith(theirs):
            return original + text.removeprefix(theirs)
    return text


_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}
_UNET_ENDS = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.attentions.0.": "middle_block.1.",
}
_UNET_BLOCK = re.compile(
    r"(down|up|mid)_block(?:s\.(\d+))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def unet_place(name: str, *, layers: int, attending: frozenset[int]) -> Place:
    """Return the place of a UNet2DConditionModel's tensor.

    `layers` is its layers_per_block; `attending` are the numbers of its up blocks that have
    attentions, after which their upsampler is counted.
    """
    match = _UNET_BLOCK.fullmatch(name)
    if not match or name.startswith("mid_block.attentions"):
        return Place(UNET + _replaced(name, _UNET_ENDS))
    side, kind, rest = match[1], match[3], match[5]
    block, number = int(match[2] or 0), int(match[4])
    if kind == "resnets":
        rest = _replaced(rest, _RESNET)
    if side == "mid":
        return Place(f"{UNET}middle_block.{2 * number}.{rest}")
    if side == "down":
        if kind == "downsamplers":
            rest = rest.replace("conv.", "op.", 1)
        before = layers if kind == "downsamplers" else number
        slot = 1 if kind == "attentions" else 0
        return Place(f"{UNET}input_blocks.{1 + block * (layers + 1) + before}.{slot}.{rest}")
    before = layers if kind == "upsamplers" else number
    slot = {"resnets": 0, "attentions": 1, "upsamplers": 1 + (block in attending)}[kind]
    return Place(f"{UNET}output_blocks.{block * (layers + 1) + before}.{slot}.{rest}")


_VAE_INSIDE = {
    "conv_norm_out.": "norm_out.",
    "mid_block.resnets.0.": "mid.block_1.",
    "mid_block.resnets.1.": "mid.block_2.",
    "mid_block.attentions.0.group_norm.": "mid.attn_1.norm.",
    "mid_block.attentions.0.to_q.": "mid.attn_1.q.",
    "mid_block.attentions.0.to_k.": "mid.attn_1.k.",
    "mid_block.attentions.0.to_v.": "mid.attn_1.v.",
    "mid_block.attentions.0.to_out.0.": "mid.attn_1.proj_out.",
}
# What diffusers called the parts of a VAE's attention before 0.17, as the VAE of
# stable-diffusion-v1-5 still does: linear weights, or 1×1 convolutions.
_FIRST_NAMES = {
    "to_q.": "query.",
    "to_k.": "key.",
    "to_v.": "value.",
    "to_out.0.": "proj_attn.",
}
_VAE_BLOCK = re.compile(r"(?:down|up)_blocks\.(\d+)\.(resnets|\w+samplers)\.(\d+)\.(.+)")


def vae_place(name: str, *, blocks: int) -> Place:
    """Return the place of an AutoencoderKL's tensor; `blocks` is how many sizes it has."""
    half, _, inside = name.partition(".")
    if half not in ("encoder", "decoder"):
        return Place(VAE + name)
    inside = _replaced(inside, _VAE_INSIDE)
    if match := _VAE_BLOCK.fullmatch(inside):
        down = half == "encoder"
        number = int(match[1]) if down else blocks - 1 - int(match[1])
        side = "down" if down else "up"
        inside = f"{side}.{number}.{side}sample.{match[4]}"
        if match[2] == "resnets":
            inside = f"{side}.{number}.block.{match[3]}.{match[4]}"
    return Place(f"{VAE}{half}.{inside.replace('conv_shortcut.', 'nin_shortcut.')}")


def first_name(name: str) -> str:
    """Return the name that diffusers first gave to a tensor of an AutoencoderKL; most kept it."""
    before, attention, inside = name.partition(".attentions.0.")
    return before + attention + _replaced(inside, _FIRST_NAMES)


def clip_place(name: str, *, prefix: str) -> Place:
    """Return the place of a CLIPTextModel's tensor in a file whose encoder is OpenAI's CLIP."""
    return Place(f"{prefix}transformer.text_model.{name.removeprefix('text_model.')}")


_OPEN_CLIP = {
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.token_embedding.": "token_embedding.",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    "text_projection.weight": "text_projection",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
    "self_attn.": "attn.in_proj_",
}
_PROJECTIONS = ("q_proj", "k_proj", "v_proj")


def open_clip_place(name: str, *, prefix: str) -> Place:
    """Return the place of a CLIP text model's tensor in a file whose encoder is OpenCLIP."""
    place = _replaced(name.removeprefix("text_model."), _OPEN_CLIP)
    if place == "text_projection":
        return Place(f"{prefix}model.{place}", transposed=True)
    match = re.fullmatch(r"(transformer\.resblocks\.\d+\.)(.+)", place)
    if not match:
        return Place(f"{prefix}model.{place}")
    inside = _replaced(match[2], _OPEN_CLIP_LAYER)
    fused = re.fullmatch(r"attn\.in_proj_([qkv]_proj)\.(weight|bias)", inside)
    if fused:
        inside = f"attn.in_proj_{fused[2]}"
    third = _PROJECTIONS.index(fused[1]) if fused else None
    return Place(f"{prefix}model.{match[1]}{inside}", third)
