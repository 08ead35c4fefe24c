"""InitFields: the part of a request that says what picture it begins from, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from sdcli.prompts.and_prompts import shares
from sdcli.prompts.lora_tags import split
from sdcli.prompts.schedule import Pass, timeline
from sdcli.request.fields import field_error, flag
from sdcli.request.options import LISTED
from sdcli.sampling import Sampler

if TYPE_CHECKING:
    from sdcli.request.request import GenerationRequest

_PANEL = "From a picture"

# What only a picture to begin from gives a meaning, and what each is where nothing is asked for.
FROM_PICTURE: Mapping[str, Any] = {
    "strength": None,
    "full_steps": False,
    "resize_mode": "just",
    "noise_multiplier": 1.0,
    "extra_noise": 0.0,
}


class InitFields(BaseModel):
    """The picture to begin from, and what is done to it; without one all have no meaning."""

    init_img: Annotated[
        str | None,
        Field(min_length=1, description="Image to start from (img2img)."),
        flag("--init-img", "-i", panel=_PANEL, metavar="IMAGE"),
    ] = None
    strength: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Denoising strength: how much to change it, 0 to 1 [default: 0.75].",
        ),
        flag("--strength", panel=_PANEL, metavar="X"),
    ] = None
    full_steps: Annotated[
        bool,
        Field(description="Run all steps, not only that share of them."),
        flag("--full-steps", panel=_PANEL, metavar=""),
    ] = False
    resize_mode: Annotated[
        Literal["just", "crop", "fill", "latent"],
        Field(
            description="How to fit it to the size: stretch, crop, fill borders, or resize latents."
        ),
        flag("--resize-mode", panel=_PANEL, metavar="just|crop|fill|latent"),
    ] = "just"
    noise_multiplier: Annotated[
        float,
        Field(ge=0, le=10, description="Multiply the noise that is added to it."),
        flag("--noise-multiplier", panel=_PANEL, metavar="X"),
    ] = 1.0
    extra_noise: Annotated[
        float,
        Field(ge=0, le=10, description="Extra noise that no step removes."),
        flag("--extra-noise", panel=_PANEL, metavar="X"),
    ] = 0.0
    invert: Annotated[
        bool,
        Field(description="Start from the noise that would produce the image."),
        flag("--invert", panel=_PANEL, metavar=""),
    ] = False
    invert_prompt: Annotated[
        str | None,
        Field(description="What the image shows, if the prompt says something else."),
        flag("--invert-prompt", panel=_PANEL, metavar="TEXT"),
    ] = None


def check_inversion(request: GenerationRequest, sampler: Sampler) -> None:
    """Raise a field error where `init_img`, `invert` and `invert_prompt` do not go together.

    Only a run without noise of its own can be undone, and only towards one plain text.
    """
    if request.invert_prompt is not None and not request.invert:
        raise field_error("invert_prompt", "it has no effect without invert")
    if not request.invert:
        return
    if request.init_img is None:
        raise field_error("invert", "there is no picture to invert", "give one with --init-img")
    own = request.invert_prompt
    whole = Pass(sampler.prompt_calls(request.steps), old=request.old_timelines)
    if own is None:
        _check_plain("invert", request.prompt, whole)
    else:
        _check_plain("invert_prompt", own, whole)
    if sampler.stochastic or request.eta or request.s_churn:
        why = "adds noise at each step"
    elif sampler.ends_only or sampler.unguided:
        why = "does not follow the plain equation"
    else:
        return
    raise field_error(
        "invert",
        f"{sampler.name} {why}, so a picture cannot be inverted with it",
        "use Euler, DDIM or another sampler that adds no noise",
    )


def check_init(request: GenerationRequest, sampler: Sampler) -> None:
    """Raise a field error for what needs a picture to begin from, or does not go with one."""
    stray = next(
        (key for key, unset in FROM_PICTURE.items() if getattr(request, key) != unset), None
    )
    twice = request.hires_scale is not None or request.hires_size is not None
    if stray == "extra_noise" and twice:  # the second pass begins from a picture
        stray = None
    if stray and request.init_img is None:
        raise field_error(stray, "there is no picture to start from", "give one with --init-img")
    if stray and request.invert:
        raise field_error(stray, "an inversion starts from the picture's own noise")
    if request.init_img is None or request.invert:
        return
    if sampler.scheduler:
        raise field_error("sampler", f"{sampler.name} cannot start from a picture")
    listed = next((key for key in LISTED if getattr(request, key) is not None), None)
    if listed and (request.strength is not None or request.full_steps):
        key = "full_steps" if request.full_steps else "strength"
        raise field_error(key, f"listed {listed} already set where the picture enters")
    if request.full_steps and request.strength == 0:
        raise field_error("full_steps", "at strength 0 there are no steps to make")


def _check_plain(field: str, prompt: str, whole: Pass) -> None:
    """Raise a field error for a prompt that composes several, or changes on the way."""
    text, tags = split(prompt)
    if len(shares(text)) > 1 or len(timeline(text, whole)) > 1:
        raise field_error(
            field,
            "an inversion needs one plain prompt, without AND or edits",
            "describe the picture with --invert-prompt",
        )
    if field == "invert_prompt" and tags:
        raise field_error(field, "put LoRAs into the prompt itself")
