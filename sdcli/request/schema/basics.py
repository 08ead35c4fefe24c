"""Owns PromptFields: the part of a request that says what to draw."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from sdcli.prompts.emphasis import Emphasis
from sdcli.request.fields import LEAST_SIDE, MOST_SIDE, flag


class PromptFields(BaseModel):
    """The prompts, and how they are read."""

    prompt: Annotated[
        str,
        Field(description="What to draw; `-` reads it from standard input."),
        flag("--prompt", "-p", panel="Prompt", metavar="TEXT"),
    ] = ""
    negative_prompt: Annotated[
        str,
        Field(description="What to keep away from."),
        flag("--negative-prompt", "-n", panel="Prompt", metavar="TEXT"),
    ] = ""
    old_timelines: Annotated[
        bool,
        Field(description="Times in prompts as A1111 before 1.6 read them."),
        flag("--old-timelines", panel="Prompt", metavar=""),
    ] = False
    emphasis: Annotated[
        Emphasis,
        Field(description="Weights: evened out as in A1111, not so, ignored, or not even read."),
        flag("--emphasis", panel="Prompt", metavar="original|no-norm|ignore|none"),
    ] = "original"


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


class PictureFields(BaseModel):
    """Its size, the model's own where it is None, and whether its edges meet."""

    width: Annotated[
        int | None,
        Field(ge=LEAST_SIDE, le=MOST_SIDE, multiple_of=8, description="Pixels, a multiple of 8."),
        flag("--width", "-W", panel="Picture", metavar="PIXELS"),
    ] = None
    height: Annotated[
        int | None,
        Field(ge=LEAST_SIDE, le=MOST_SIDE, multiple_of=8, description="Pixels, a multiple of 8."),
        flag("--height", "-H", panel="Picture", metavar="PIXELS"),
    ] = None
    tiling: Annotated[
        bool,
        Field(description="A picture whose edges meet, to be laid side by side."),
        flag("--tiling", panel="Picture", metavar=""),
    ] = False
