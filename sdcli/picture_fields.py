"""Owns PictureFields: the part of a request that says what shape its picture has."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from .fields import LEAST_SIDE, MOST_SIDE, flag


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
