"""Owns ModelFields: the part of a request that says which weights make its picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from .fields import flag


class ModelFields(BaseModel):
    """A model, what is put into it, and how much of its text encoder is asked."""

    model: Annotated[
        str,
        Field(
            min_length=1, description="File, folder, name, hash or hub id; `builtin` ships with us."
        ),
        flag("--model", "-m", panel="Model", metavar="MODEL"),
    ] = "builtin"
    lora: Annotated[
        tuple[str, ...],
        Field(description="NAME[:STRENGTH]; may be repeated. As <lora:NAME:0.8> in the prompt."),
        flag("--lora", panel="Model", metavar="LORA", repeatable=True),
    ] = ()
    clip_skip: Annotated[
        int,
        Field(ge=1, le=12, description="Take CLIP's layer so far from its end; 1 is the last."),
        flag("--clip-skip", panel="Model", metavar="N"),
    ] = 1
    vae: Annotated[
        str,
        Field(min_length=1, description="A VAE's file or name, own, or automatic (A1111's rule)."),
        flag("--vae", panel="Model", metavar="VAE"),
    ] = "automatic"
