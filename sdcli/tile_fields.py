"""Owns TileFields: the part of a request that makes a picture larger, tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, Field

from .fields import field_error, flag, parsed
from .upscalers import LANCZOS, upscaler_name

_PANEL = "Tiles"


class TileFields(BaseModel):
    """A1111's SD upscale: the picture enlarged, cut into tiles, and each of these made anew."""

    upscale: Annotated[
        float | None,
        Field(
            ge=1,
            le=16,
            description="Make it so many times as large, by tiles of --size.",
        ),
        flag("--upscale", panel=_PANEL, metavar="X"),
    ] = None
    upscaler: Annotated[
        str,
        parsed(partial(upscaler_name, latents=False)),
        Field(description="What enlarges it first: Lanczos, Nearest, or a network's file."),
        flag("--upscaler", panel=_PANEL, metavar="NAME|FILE"),
    ] = LANCZOS
    tile_overlap: Annotated[
        int,
        Field(ge=0, le=1024, description="How many pixels tiles share with their neighbours."),
        flag("--tile-overlap", panel=_PANEL, metavar="PX"),
    ] = 64


# What only tiles give a meaning, and what goes with a whole picture alone.
_OF_TILES: Mapping[str, Any] = {"upscaler": LANCZOS, "tile_overlap": 64}
_OF_A_WHOLE = ("mask", "mask_rect", "outpaint", "invert", "seed_resize", "tiling")


def check_tiles(given: Mapping[str, Any]) -> None:
    """Raise a field error for what needs tiles, or does not go with them."""
    if given["upscale"] is None:
        asked = next((key for key, unset in _OF_TILES.items() if given[key] != unset), None)
        if asked:
            raise field_error(asked, "nothing is made larger by tiles", "ask with --upscale 2")
        return
    if given["init_img"] is None:
        raise field_error("upscale", "there is no picture to enlarge", "name it with --init-img")
    if wrong := next((key for key in _OF_A_WHOLE if given[key]), None):
        raise field_error(wrong, "it is for a picture in one piece, not for tiles")
    if given["resize_mode"] != "just":
        raise field_error("resize_mode", "tiles are cut to size, so it would do nothing")
    sides = [side for side in (given["width"], given["height"]) if side]
    if sides and given["tile_overlap"] > min(sides) // 2:
        raise field_error(
            "tile_overlap",
            f"it is more than half of a tile of {min(sides)} pixels",
            "tiles have the size that --size says",
        )
