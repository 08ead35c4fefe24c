"""MaskFields: the part of a request that says what of a picture is made anew (inpainting)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from sdcli.images.masks import Margins, Rectangle, parse_margins, parse_rectangle
from sdcli.prompts.lora_tags import split
from sdcli.prompts.schedule import Pass, timeline
from sdcli.request.fields import field_error, flag, parsed
from sdcli.sampling import Sampler

if TYPE_CHECKING:
    from sdcli.request.request import GenerationRequest

_PANEL = "Inpainting"

# What only a mask gives a meaning, and what each is where nothing is asked for.
OF_A_MASK: Mapping[str, Any] = {
    "mask_blur": 4,
    "invert_mask": False,
    "soft_mask": False,
    "inpaint_fill": "original",
    "inpaint_area": "whole",
    "padding": 32,
    "inpaint_method": "blend",
    "repaint_jump": 10,
    "repaint_times": 10,
}
_MOST = 999_999  # as many digits as the fields' own notation takes
MASKS = ("mask", "mask_rect", "outpaint")


def _split(value: Any) -> Any:
    return value.split(";") if isinstance(value, str) else value


class MaskFields(BaseModel):
    """Where the picture is made anew, and how what is new meets what is kept; A1111's defaults."""

    mask: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Image, white where to repaint; or alpha for the image's own transparency.",
        ),
        flag("--mask", panel=_PANEL, metavar="IMAGE|alpha"),
    ] = None
    mask_rect: Annotated[
        tuple[Annotated[Rectangle, parsed(parse_rectangle)], ...],
        BeforeValidator(_split),
        Field(description="Rectangle to repaint, in the image's pixels; repeatable."),
        flag("--mask-rect", panel=_PANEL, metavar="X,Y,W,H", repeatable=True),
    ] = ()
    outpaint: Annotated[
        Margins | None,
        parsed(parse_margins),
        Field(description="Extend the image by this many pixels: left=64,top=32."),
        flag("--outpaint", panel=_PANEL, metavar="SIDES"),
    ] = None
    mask_blur: Annotated[
        int,
        Field(ge=0, le=256, description="Pixels over which the repainted part blends in."),
        flag("--mask-blur", panel=_PANEL, metavar="PIXELS"),
    ] = 4
    invert_mask: Annotated[
        bool,
        Field(description="Repaint what the mask does not cover."),
        flag("--invert-mask", panel=_PANEL, metavar=""),
    ] = False
    soft_mask: Annotated[
        bool,
        Field(description="Repaint gray areas partly: darker areas change later and less."),
        flag("--soft-mask", panel=_PANEL, metavar=""),
    ] = False
    inpaint_fill: Annotated[
        Literal["fill", "original", "noise", "nothing"],
        Field(description="What to put under the mask first."),
        flag("--inpaint-fill", panel=_PANEL, metavar="fill|original|noise|nothing"),
    ] = "original"
    inpaint_area: Annotated[
        Literal["whole", "masked"],
        Field(description="Work on the whole image, or on the masked area at full resolution."),
        flag("--inpaint-area", panel=_PANEL, metavar="whole|masked"),
    ] = "whole"
    padding: Annotated[
        int,
        Field(ge=0, le=2048, description="Pixels around the masked area to include."),
        flag("--padding", panel=_PANEL, metavar="PIXELS"),
    ] = 32
    inpaint_method: Annotated[
        Literal["blend", "repaint"],
        Field(description="repaint resamples until old and new agree; it takes many more calls."),
        flag("--inpaint-method", panel=_PANEL, metavar="blend|repaint"),
    ] = "blend"
    repaint_jump: Annotated[
        int,
        Field(ge=1, le=1000, description="Steps that repaint jumps back."),
        flag("--repaint-jump", panel=_PANEL, metavar="N"),
    ] = 10
    repaint_times: Annotated[
        int,
        Field(ge=1, le=100, description="How often repaint repeats those steps."),
        flag("--repaint-times", panel=_PANEL, metavar="N"),
    ] = 10


def check_mask(request: GenerationRequest, sampler: Sampler) -> None:
    """Raise a field error for what needs a picture or a mask, or does not go with one."""
    masks = [key for key in MASKS if getattr(request, key)]
    stray = next((k for k, unset in OF_A_MASK.items() if getattr(request, k) != unset), None)
    if stray and not masks:
        raise field_error(stray, "there is no mask", "draw one with --mask or --mask-rect")
    if not masks:
        return
    if request.init_img is None:
        raise field_error(masks[0], "there is no picture to start from", "give one with --init-img")
    for key, pixels in _numbers(request):
        if not 0 <= pixels <= _MOST:
            raise field_error(key, f"pixels must be from 0 to {_MOST}")
    if request.invert:
        raise field_error(masks[0], "an inversion remakes the whole picture")
    if request.resize_mode == "latent":
        raise field_error(
            "resize_mode", "latents keep no pixels, as a mask needs", "use just, crop or fill"
        )
    if request.padding != OF_A_MASK["padding"] and request.inpaint_area == "whole":
        raise field_error(
            "padding",
            "it has no effect if the model sees the whole picture",
            "--inpaint-area masked",
        )
    if request.resize_mode != "just" and request.inpaint_area == "masked":
        raise field_error(
            "resize_mode", "it has no effect if the model sees only the mask's surroundings"
        )
    if request.inpaint_method == "repaint":
        _check_repaint(request, sampler)
        return
    for key in ("repaint_jump", "repaint_times"):
        if getattr(request, key) != OF_A_MASK[key]:
            raise field_error(key, "it works only with --inpaint-method repaint")


def _numbers(request: GenerationRequest) -> Iterator[tuple[str, int]]:
    """Yield all numbers of rectangles and margins, with their fields."""
    for pixels in request.outpaint or ():
        yield "outpaint", pixels
    for rectangle in request.mask_rect:
        yield from (("mask_rect", pixels) for pixels in rectangle)


def _check_repaint(request: GenerationRequest, sampler: Sampler) -> None:
    if sampler.ends_only or sampler.brownian:
        raise field_error(
            "inpaint_method",
            f"{sampler.name} cannot go back and forth between steps",
            "use Euler a, DDIM or DPM++ 2M",
        )
    for key in ("prompt", "negative_prompt"):
        whole = Pass(sampler.prompt_calls(request.steps), old=request.old_timelines)
        if len(timeline(split(getattr(request, key))[0], whole)) > 1:
            raise field_error(
                key, "repaint goes back and forth between steps, so prompts cannot change at one"
            )
