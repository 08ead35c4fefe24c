"""PromptFields: the part of a request that says what to draw."""

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
        Field(description="What to avoid."),
        flag("--negative-prompt", "-n", panel="Prompt", metavar="TEXT"),
    ] = ""
    old_timelines: Annotated[
        bool,
        Field(description="Count the steps of prompt edits as A1111 did before 1.6."),
        flag("--old-timelines", panel="Prompt", metavar=""),
    ] = False
    emphasis: Annotated[
        Emphasis,
        Field(
            description="Weights like (red:1.3): as A1111, not normalized, ignored or plain text."
        ),
        flag("--emphasis", panel="Prompt", metavar="original|no-norm|ignore|none"),
    ] = "original"


class ModelFields(BaseModel):
    """A model, what is put into it, and how much of its text encoder is asked."""

    model: Annotated[
        str,
        Field(
            min_length=1,
            description="File, folder, name, hash or hub id; `builtin` comes with sdcli.",
        ),
        flag("--model", "-m", panel="Model", metavar="MODEL"),
    ] = "builtin"
    lora: Annotated[
        tuple[str, ...],
        Field(
            description="LoRA as NAME[:STRENGTH], repeatable; like <lora:NAME:0.8> in the prompt."
        ),
        flag("--lora", panel="Model", metavar="LORA", repeatable=True),
    ] = ()
    clip_skip: Annotated[
        int,
        Field(
            ge=1, le=12, description="Which CLIP layer to use, counted from the end; 1 is the last."
        ),
        flag("--clip-skip", panel="Model", metavar="N"),
    ] = 1
    vae: Annotated[
        str,
        Field(
            min_length=1,
            description="VAE file or name; own is the model's, automatic follows A1111's rule.",
        ),
        flag("--vae", panel="Model", metavar="VAE"),
    ] = "automatic"


class PictureFields(BaseModel):
    """Its size, the model's own where it is None, and whether its edges meet."""

    width: Annotated[
        int | None,
        Field(
            ge=LEAST_SIDE,
            le=MOST_SIDE,
            multiple_of=8,
            description="Width in pixels, a multiple of 8.",
        ),
        flag("--width", "-W", panel="Picture", metavar="PIXELS"),
    ] = None
    height: Annotated[
        int | None,
        Field(
            ge=LEAST_SIDE,
            le=MOST_SIDE,
            multiple_of=8,
            description="Height in pixels, a multiple of 8.",
        ),
        flag("--height", "-H", panel="Picture", metavar="PIXELS"),
    ] = None
    tiling: Annotated[
        bool,
        Field(description="Make a seamless tile: opposite edges match."),
        flag("--tiling", panel="Picture", metavar=""),
    ] = False
