"""Owns GuidanceFields: the part of a request that refines how prompts pull."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from .flag import flag

_PANEL = "Guidance"


class GuidanceFields(BaseModel):
    """What is done to classifier-free guidance; the defaults leave it as it is."""

    cfg_rescale: Annotated[
        float,
        Field(ge=0, le=1, description="Against overexposure: a share of the prompt's own spread."),
        flag("--cfg-rescale", panel=_PANEL, metavar="0-1"),
    ] = 0.0
    mimic_scale: Annotated[
        float | None,
        Field(ge=0, description="Dynamic thresholding: as contrasty as at this CFG scale."),
        flag("--mimic-scale", panel=_PANEL, metavar="X"),
    ] = None
    threshold_percentile: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the values that thresholding leaves unclipped."),
        flag("--threshold-percentile", panel=_PANEL, metavar="0-1"),
    ] = 1.0
    skip_early_cfg: Annotated[
        float,
        Field(ge=0, le=1, description="No negative prompt in this first share of the run."),
        flag("--skip-early-cfg", panel=_PANEL, metavar="0-1"),
    ] = 0.0
    ngms: Annotated[
        float,
        Field(ge=0, description="No negative prompt below this sigma, at every other call."),
        flag("--ngms", panel=_PANEL, metavar="SIGMA"),
    ] = 0.0
    ngms_all: Annotated[
        bool,
        Field(description="At every call below it."),
        flag("--ngms-all", panel=_PANEL, metavar=""),
    ] = False
    pag_scale: Annotated[
        float,
        Field(ge=0, le=100, description="Perturbed-attention guidance; 3 is usual, 0 is none."),
        flag("--pag-scale", panel=_PANEL, metavar="X"),
    ] = 0.0
