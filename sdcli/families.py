"""Owns the table of model families: the constants of each lineage, and how one is recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import ModelError

Prediction = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True, slots=True)
class Family:
    """One lineage. `context_width` is the text encoder's width, by which a UNet tells itself.

    `native_size` is the side in pixels that it was trained at; `latent_scale` what latents are
    multiplied by after encoding. A folder's own configuration overrides both.
    """

    name: str
    title: str
    context_width: int
    prediction: Prediction
    native_size: int
    latent_scale: float


FAMILIES: tuple[Family, ...] = (
    Family("sd1", "Stable Diffusion 1", 768, "epsilon", 512, 0.18215),
    Family("sd2", "Stable Diffusion 2 base", 1024, "epsilon", 512, 0.18215),
    Family("sd2-v", "Stable Diffusion 2", 1024, "v_prediction", 768, 0.18215),
    Family("builtin", "small model in SD's layout", 192, "epsilon", 128, 1.0),
)

_REFUSED = {
    "StableDiffusionXLPipeline": "SDXL",
    "StableDiffusionXLInpaintPipeline": "SDXL inpainting",
    "StableDiffusion3Pipeline": "Stable Diffusion 3",
    "StableDiffusionInpaintPipeline": "Stable Diffusion inpainting",
    "FluxPipeline": "Flux",
}

RUNNABLE = "StableDiffusionPipeline"


def of_folder(
    model_index: Mapping[str, Any], unet: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> Family:
    """The family of a diffusers folder, by its `model_index.json` and component configurations.

    A width that no row has is a small model in SD's layout. Raises ModelError for a pipeline
    that sdcli does not run, by its name.
    """
    pipeline = str(model_index.get("_class_name"))
    if pipeline != RUNNABLE:
        title = _REFUSED.get(pipeline, pipeline)
        raise ModelError(f"this is a {title} model", "sdcli runs Stable Diffusion 1 and 2")
    if unet.get("in_channels", 4) != 4:
        raise ModelError(
            f"this UNet takes {unet['in_channels']} channels: an inpainting or depth model",
            "sdcli runs Stable Diffusion 1 and 2 for text-to-image",
        )
    prediction = scheduler.get("prediction_type", "epsilon")
    width = unet.get("cross_attention_dim")
    rows = [row for row in FAMILIES if (row.context_width, row.prediction) == (width, prediction)]
    return rows[0] if rows else FAMILIES[-1]
