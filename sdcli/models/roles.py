"""The networks of a model, by the role that a diffusers folder names each after."""

from __future__ import annotations

from collections.abc import Container

BACKBONES = ("unet",)
"""What predicts: a model has one of them, the first where nothing says which."""

DECODER = "vae"

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
"""In the order in which a family lists its encoders; the first is never left out."""

ROLES = (*BACKBONES, DECODER, *TEXT_ENCODERS)
CALLED = (*TEXT_ENCODERS, *BACKBONES, DECODER)
"""The same in the order in which a run calls them."""


def backbone_role(roles: Container[str]) -> str:
    """Return which of the roles that a model has is its backbone's."""
    return next((role for role in BACKBONES if role in roles), BACKBONES[0])
