"""Owns ApproximateFields: the part of a request that gives up some of the picture for speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from .fields import field_error, flag

_PANEL = "Faster, but another picture"
MOST_MERGED = 0.75  # of every four tokens one is what the others can be merged into


class ApproximateFields(BaseModel):
    """What a model call may leave out; the defaults leave out nothing."""

    token_merging_ratio: Annotated[
        float,
        Field(
            ge=0, le=MOST_MERGED, description="Share of tokens merged in the finest self-attention."
        ),
        flag("--token-merging-ratio", panel=_PANEL, metavar="0-0.75"),
    ] = 0.0
    token_merging_ratio_hr: Annotated[
        float | None,
        Field(ge=0, le=MOST_MERGED, description="That of a hires fix's second pass, if another."),
        flag("--token-merging-ratio-hr", panel=_PANEL, metavar="0-0.75"),
    ] = None
    deep_cache: Annotated[
        int,
        Field(ge=1, le=1000, description="Run the whole UNet at every Nth call only."),
        flag("--deep-cache", panel=_PANEL, metavar="N"),
    ] = 1


def check_approximate(given: Mapping[str, Any]) -> None:
    """Raise a field error for what cannot be left out."""
    if given["deep_cache"] > 1 and given["invert"]:
        why = "an inversion must ask alike on both ways, or does not lead back to the picture"
        raise field_error("deep_cache", why)
