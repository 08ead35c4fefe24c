"""GuidanceFields: the part of a request that refines how prompts pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from sdcli.prompts.and_prompts import shares
from sdcli.prompts.lora_tags import split
from sdcli.request.fields import field_error, flag
from sdcli.sampling import Sampler

if TYPE_CHECKING:
    from sdcli.request.request import GenerationRequest

_PANEL = "Guidance"
_GUIDED = ("cfg_rescale", "mimic_scale", "skip_early_cfg", "ngms")


class GuidanceFields(BaseModel):
    """What is done to classifier-free guidance; the defaults leave it as it is."""

    cfg_rescale: Annotated[
        float,
        Field(ge=0, le=1, description="Counter overexposure at high CFG; 0.7 is usual."),
        flag("--cfg-rescale", panel=_PANEL, metavar="0-1"),
    ] = 0.0
    mimic_scale: Annotated[
        float | None,
        Field(ge=0, description="Dynamic thresholding: keep the contrast of this lower CFG scale."),
        flag("--mimic-scale", panel=_PANEL, metavar="X"),
    ] = None
    threshold_percentile: Annotated[
        float,
        Field(gt=0, le=1, description="Share of values that thresholding leaves unclipped."),
        flag("--threshold-percentile", panel=_PANEL, metavar="0-1"),
    ] = 1.0
    skip_early_cfg: Annotated[
        float,
        Field(ge=0, le=1, description="Ignore the negative prompt in this first share of the run."),
        flag("--skip-early-cfg", panel=_PANEL, metavar="0-1"),
    ] = 0.0
    ngms: Annotated[
        float,
        Field(ge=0, description="Skip the negative prompt below this sigma at every other call."),
        flag("--ngms", panel=_PANEL, metavar="SIGMA"),
    ] = 0.0
    ngms_all: Annotated[
        bool,
        Field(description="Skip it at every call below that sigma."),
        flag("--ngms-all", panel=_PANEL, metavar=""),
    ] = False
    pag_scale: Annotated[
        float,
        Field(
            ge=0, le=100, description="Perturbed-attention guidance; 3 is usual, 0 turns it off."
        ),
        flag("--pag-scale", panel=_PANEL, metavar="X"),
    ] = 0.0


def check_guidance(request: GenerationRequest, sampler: Sampler) -> None:
    """Raise a field error for a refinement of guidance that has nothing to refine."""
    used = [
        key
        for key in _GUIDED
        if getattr(request, key) or (key, getattr(request, key)) == ("mimic_scale", 0)
    ]
    alone = [share.weight for share in shares(split(request.prompt)[0])] == [1.0]
    if used and request.cfg_scale == 1 and alone and not sampler.unguided:
        why = "at CFG scale 1 there is no guidance, so it has no effect"
        raise field_error(used[0], why, "raise --cfg")
    if request.mimic_scale is not None and request.cfg_scale <= request.mimic_scale:
        raise field_error("mimic_scale", "it has an effect only below the CFG scale")
    if request.threshold_percentile != 1 and request.mimic_scale is None:
        raise field_error("threshold_percentile", "it has no effect without a mimic scale")
    if request.ngms_all and not request.ngms:
        raise field_error("ngms_all", "it has no effect without NGMS")


_FASTER = "Faster, but another picture"
MOST_MERGED = 0.75  # of every four tokens one is what the others can be merged into


class ApproximateFields(BaseModel):
    """What a model call may leave out; the defaults leave out nothing."""

    token_merging_ratio: Annotated[
        float,
        Field(
            ge=0,
            le=MOST_MERGED,
            description="Share of tokens to merge in the largest self-attention layers.",
        ),
        flag("--token-merging-ratio", panel=_FASTER, metavar="0-0.75"),
    ] = 0.0
    token_merging_ratio_hr: Annotated[
        float | None,
        Field(ge=0, le=MOST_MERGED, description="The same for the hires fix's second pass."),
        flag("--token-merging-ratio-hr", panel=_FASTER, metavar="0-0.75"),
    ] = None
    deep_cache: Annotated[
        int,
        Field(ge=1, le=1000, description="Run the whole UNet only at every Nth call."),
        flag("--deep-cache", panel=_FASTER, metavar="N"),
    ] = 1


def check_approximate(request: GenerationRequest) -> None:
    """Raise a field error for what cannot be left out."""
    if request.deep_cache > 1 and request.invert:
        why = "an inversion must ask alike on both ways, or does not lead back to the picture"
        raise field_error("deep_cache", why)
