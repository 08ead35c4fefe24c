"""The table of model families: the constants of each lineage, and how one is recognized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sdcli.errors import ModelError
from sdcli.sampling.paths import Prediction

from .kinds import CHECKPOINT, FileKind, kind_of
from .latents import LatentSpace

# Stable Diffusion 1's own scheduler file, which single files mean, and runs without a model.
STABLE_DIFFUSION: Mapping[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A text encoder in a single file: whose CLIP, under which prefix, how many layers of it.

    A `projected` one sums a prompt up besides.
    """

    kind: Literal["clip", "open_clip"]
    prefix: str
    layers: int | None = None  # None for all
    projected: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One lineage. `context_width` is the text encoders' width, by which a UNet tells itself.

    `native_size` is the side in pixels that it was trained at, `latents` the space of its latents.
    A folder's own configuration overrides both. `channels` go into the UNet: 9 with a mask and the
    masked picture. `heads` are those of every attention of the UNet, None where each has 64
    channels. `text` says what reads its prompts, by a name of the engine's.
    """

    name: str
    title: str
    context_width: int
    prediction: Prediction
    native_size: int
    latents: LatentSpace
    channels: int = 4
    heads: int | None = None
    encoders: tuple[Encoder, ...] = ()
    pipeline: str = "StableDiffusionPipeline"
    text: str = "clip"

    @property
    def clip_skips(self) -> bool:
        """Whether A1111's clip skip means anything: the encoder is OpenAI's CLIP alone."""
        return [encoder.kind for encoder in self.encoders] == ["clip"]


_CLIP = (Encoder("clip", "cond_stage_model."),)
_OPEN_CLIP = (Encoder("open_clip", "cond_stage_model.", layers=23),)
_BOTH = (
    Encoder("clip", "conditioner.embedders.0."),
    Encoder("open_clip", "conditioner.embedders.1.", projected=True),
)
_XL = "StableDiffusionXLPipeline"
_SD, _SDXL = LatentSpace(scale=0.18215), LatentSpace(scale=0.13025)

_TO_IMAGES = (
    Family("sd1", "Stable Diffusion 1", 768, "epsilon", 512, _SD, 4, 8, _CLIP),
    Family("sd2", "Stable Diffusion 2 base", 1024, "epsilon", 512, _SD, 4, None, _OPEN_CLIP),
    Family("sd2-v", "Stable Diffusion 2", 1024, "v_prediction", 768, _SD, 4, None, _OPEN_CLIP),
    Family("sdxl", "SDXL", 2048, "epsilon", 1024, _SDXL, 4, None, _BOTH, _XL),
    Family("sdxl-v", "SDXL for v", 2048, "v_prediction", 1024, _SDXL, 4, None, _BOTH, _XL),
)
_FILLING = 9  # channels: the latents, a mask, and the latents of the picture under it
_TO_FILL = tuple(
    replace(
        row,
        name=f"{row.name}-inpainting",
        title=f"{row.title.removesuffix(' base')} inpainting",
        channels=_FILLING,
        pipeline=row.pipeline.replace("Pipeline", "InpaintPipeline"),
    )
    for row in _TO_IMAGES
    if row.prediction == "epsilon"
)
_OWN = LatentSpace(scale=1.0)
_SMALL = Family("builtin", "small model in SD's layout", 192, "epsilon", 128, _OWN, encoders=_CLIP)
FAMILIES: tuple[Family, ...] = (*_TO_IMAGES, *_TO_FILL, _SMALL)


def family_named(name: str) -> Family:
    """Return the row of that name. Raises KeyError."""
    return {row.name: row for row in FAMILIES}[name]


_WHAT_RUNS = "sdcli runs Stable Diffusion 1, 2 and XL"


# diffusers' pipelines that begin otherwise, of the same networks.
_SAME_NETWORKS = {
    "StableDiffusionImg2ImgPipeline": "StableDiffusionPipeline",
    "StableDiffusionInpaintPipelineLegacy": "StableDiffusionPipeline",
    "StableDiffusionXLImg2ImgPipeline": _XL,
}


def check_pipeline(model_index: Mapping[str, Any]) -> str:
    """Return the pipeline of a `model_index.json`, as the families name it.

    Raises ModelError for one that sdcli does not run.
    """
    name = str(model_index.get("_class_name"))
    pipeline = _SAME_NETWORKS.get(name, name)
    if pipeline not in {row.pipeline for row in FAMILIES}:
        raise ModelError(f"this model is for diffusers' {name}", _WHAT_RUNS)
    alone = model_index.get("text_encoder") in (None, [None, None])
    if pipeline == _XL and (alone or model_index.get("requires_aesthetics_score")):
        raise ModelError("this is an SDXL refiner model", _WHAT_RUNS)
    return pipeline


def of_folder(
    model_index: Mapping[str, Any], unet: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> Family:
    """Return a diffusers folder's family, by its `model_index.json` and component configurations.

    A width that no row has is a small model in SD's layout. Raises ModelError for a pipeline
    that sdcli does not run, by its name.
    """
    pipeline = check_pipeline(model_index)
    rows = [row for row in FAMILIES if row.pipeline == pipeline]
    _check_channels(int(unet.get("in_channels", 4)), rows[0].channels)
    if unet.get("time_cond_proj_dim"):
        raise ModelError(
            "this UNet is told its guidance (time_cond_proj_dim), as LCM's own are",
            "use the model it was made of with LCM's LoRA and --sampler LCM",
        )
    prediction = scheduler.get("prediction_type", "epsilon")
    rows = [row for row in rows if row.prediction == prediction] or rows
    width = unet.get("cross_attention_dim")
    odd = _SMALL if _SMALL in rows else rows[0]
    return next((row for row in rows if row.context_width == width), odd)


# Tensors that tell a family by being there, in the order in which A1111 asks for them.
_SIGNS = {
    "model.diffusion_model.x_embedder.proj.weight": "Stable Diffusion 3",
    "model.diffusion_model.double_blocks.0.img_attn.qkv.weight": "Flux",
    "double_blocks.0.img_attn.qkv.weight": "Flux",
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": "Stable Diffusion 3",
    "v_pred": "sdxl-v",
    "conditioner.embedders.1.model.ln_final.weight": "sdxl",
    "conditioner.embedders.0.model.ln_final.weight": "SDXL refiner",
    "depth_model.model.pretrained.act_postprocess3.0.project.0.bias": "Stable Diffusion 2 depth",
    "embedder.model.ln_final.weight": "Stable Diffusion 2 unCLIP",
    "cond_stage_model.model.ln_final.weight": "sd2",
    "cond_stage_model.roberta.embeddings.word_embeddings.weight": "AltDiffusion",
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": "sd1",
    "cond_stage_model.transformer.final_layer_norm.weight": "sd1",
}


def of_shapes(shapes: Shapes) -> Family:
    """Return the family of a single file in the original layout, by its tensors' names and shapes.

    Whether a Stable Diffusion 2 file predicts ε or v leaves no trace in them; the row is that for
    ε. Raises ModelError for a family that sdcli does not run, or another kind of file, by its name.
    """
    name = next((family for sign, family in _SIGNS.items() if sign in shapes), None)
    rows = {row.name: row for row in FAMILIES}
    first = shapes.get("model.diffusion_model.input_blocks.0.0.weight")
    if name is None or (name in rows and first is None):
        kind = kind_of(shapes)
        if kind is CHECKPOINT:
            has_vae = any(tensor.startswith("first_stage_model.") for tensor in shapes)
            lacking = ["UNet"] * (first is None) + ["text encoder"] * (name is None)
            lacking += ["VAE"] * (not has_vae)
            kind = FileKind(f"a checkpoint without its {' and '.join(lacking)}", "give a whole one")
        raise ModelError(f"this file is {kind.title}", kind.advice)
    if name not in rows:
        raise ModelError(f"this is {_article(name)} {name} model", _WHAT_RUNS)
    assert first is not None
    if first[1] == _FILLING and f"{name}-inpainting" in rows:
        name += "-inpainting"
    _check_channels(first[1], rows[name].channels)
    return rows[name]


def _check_channels(channels: int, wanted: int) -> None:
    if channels != wanted:
        raise ModelError(
            f"this UNet takes {channels} channels, not {wanted}: a depth or editing model",
            _WHAT_RUNS,
        )


def _article(title: str) -> str:
    return "an" if title.startswith(("SDXL", "A")) else "a"
