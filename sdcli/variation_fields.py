"""Owns VariationFields: the part of a request that leads its first noise away from its seed's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from .fields import ModelSize, field_error, flag

_PANEL = "Variations"


class VariationFields(BaseModel):
    """What A1111 has under "Extra": another seed's noise mixed in, and noise of another size."""

    variation_strength: Annotated[
        float,
        Field(ge=0, le=1, description="How far from the seed's noise to another's, 0 to 1."),
        flag("--variation-strength", panel=_PANEL, metavar="0-1"),
    ] = 0.0
    variation_seed: Annotated[
        int | None,
        Field(ge=0, lt=2**64, description="That other seed; -1, or none, is random."),
        flag("--variation-seed", panel=_PANEL, metavar="SEED"),
    ] = None
    seed_resize: Annotated[
        ModelSize | None,
        Field(description="The size whose picture of this seed is to be kept in the middle."),
        flag("--seed-resize", panel=_PANEL, metavar="WxH"),
    ] = None


def check_variation(given: Mapping[str, Any]) -> None:
    """Raise a field error for a variation that lacks its seed or its strength, or a bad size."""
    if given["variation_strength"] and given["variation_seed"] is None:
        raise field_error("variation_strength", "there is no variation seed to go towards")
    if given["variation_seed"] is not None and not given["variation_strength"]:
        raise field_error("variation_seed", "at variation strength 0 it would do nothing")
    if given["variation_strength"] and given["invert"]:
        raise field_error("variation_strength", "an inversion begins from the picture's own noise")
    if given["seed_resize"] is not None and given["invert"]:
        raise field_error("seed_resize", "an inversion begins from the picture's own noise")
