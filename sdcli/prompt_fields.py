"""Owns PromptFields: the part of a request that says what to draw."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from .fields import flag
from .prompts.attention import Emphasis


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
