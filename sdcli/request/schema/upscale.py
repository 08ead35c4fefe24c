"""HiresFields and TileFields: a picture made a second time and larger, whole or by tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from sdcli.images.upscalers import LANCZOS, LATENT, upscaler_name
from sdcli.request.fields import (
    LEAST_SIDE,
    MOST_SIDE,
    MULTIPLE,
    Size,
    field_error,
    flag,
    parse_size,
    parsed,
)
from sdcli.sampling import Sampler

if TYPE_CHECKING:
    from sdcli.request.request import GenerationRequest

_PANEL = "Hires fix"

# What only a second pass gives a meaning, and what each is where nothing is asked for.
OF_A_SECOND_PASS: Mapping[str, Any] = {
    "hires_upscaler": LATENT,
    "hires_strength": 0.7,
    "hires_steps": None,
    "hires_sampler": None,
    "hires_scheduler": None,
    "hires_prompt": None,
    "hires_negative_prompt": None,
    "token_merging_ratio_hr": None,
}


class HiresFields(BaseModel):
    """A1111's hires fix: the picture enlarged, noised, and made anew at that size."""

    hires_scale: Annotated[
        float | None,
        Field(
            gt=1,
            le=16,
            description="Hires fix: upscale by this factor and refine in a second pass.",
        ),
        flag("--hires-scale", panel=_PANEL, metavar="X"),
    ] = None
    hires_size: Annotated[
        Size | None,
        parsed(parse_size),
        Field(description="Upscale to this size instead; 1024x0 keeps the proportions."),
        flag("--hires-size", panel=_PANEL, metavar="WxH"),
    ] = None
    hires_upscaler: Annotated[
        str,
        parsed(partial(upscaler_name, latents=True)),
        Field(description="A1111's latent upscalers, Lanczos, Nearest, or a network's file."),
        flag("--hires-upscaler", panel=_PANEL, metavar="NAME|FILE"),
    ] = LATENT
    hires_strength: Annotated[
        float,
        Field(ge=0, le=1, description="Denoising strength of the second pass."),
        flag("--hires-strength", panel=_PANEL, metavar="0-1"),
    ] = 0.7
    hires_steps: Annotated[
        int | None,
        Field(ge=1, le=1000, description="Steps of the second pass, if different."),
        flag("--hires-steps", panel=_PANEL, metavar="N"),
    ] = None
    hires_sampler: Annotated[
        str | None,
        Field(description="Sampler of the second pass, if different."),
        flag("--hires-sampler", panel=_PANEL, metavar="NAME"),
    ] = None
    hires_scheduler: Annotated[
        str | None,
        Field(description="Schedule type of the second pass, if different."),
        flag("--hires-scheduler", panel=_PANEL, metavar="NAME"),
    ] = None
    hires_prompt: Annotated[
        str | None,
        Field(description="Prompt of the second pass, if different."),
        flag("--hires-prompt", panel=_PANEL, metavar="TEXT"),
    ] = None
    hires_negative_prompt: Annotated[
        str | None,
        Field(description="Negative prompt of the second pass, if different."),
        flag("--hires-negative-prompt", panel=_PANEL, metavar="TEXT"),
    ] = None


def check_hires(request: GenerationRequest, sampler: Sampler) -> None:
    """Raise a field error for what needs a second pass, or does not go with one."""
    stray = next(
        (key for key, unset in OF_A_SECOND_PASS.items() if getattr(request, key) != unset), None
    )
    size = request.hires_size
    key = "hires_scale" if request.hires_scale is not None else "hires_size"
    if request.hires_scale is None and size is None:
        if stray:
            raise field_error(stray, "there is no second pass", "add --hires-scale 2")
        return
    if request.hires_scale is not None and size is not None:
        raise field_error("hires_size", "hires_scale already sets the size")
    if size is not None:
        for side in size:
            if side and not LEAST_SIDE <= side <= MOST_SIDE:
                raise field_error(
                    key, f"sides must be from {LEAST_SIDE} to {MOST_SIDE}, got {side}"
                )
        if not any(size):
            raise field_error(key, "at least one side must be above 0")
    if not request.hires_strength:
        own = OF_A_SECOND_PASS.keys() - {"hires_strength", "hires_upscaler"}
        for wasted in sorted(own):
            if getattr(request, wasted) is not None:
                raise field_error(wasted, "at strength 0 the second pass makes no steps")
    if request.init_img is not None:
        raise field_error(key, "hires fix does not work with an initial picture", "use --size")
    if sampler.scheduler and request.hires_sampler is None:
        raise field_error(
            key,
            f"{sampler.name} cannot start from a picture",
            "choose another with --hires-sampler",
        )


@dataclass(frozen=True, slots=True)
class Enlarging:
    """`covering` is the size, in latents, that the first pass is enlarged to, `cut` what of it is
    left: both (width, height). What is cut off is cut off at both sides, the odd one at the end.
    """

    covering: tuple[int, int]
    cut: tuple[int, int]


def enlarging(
    size: tuple[int, int],
    *,
    scale: float | None,
    wanted: tuple[int, int] | None,
    factor: int = MULTIPLE,
) -> Enlarging:
    """Plan to enlarge a first pass of `size` pixels by A1111's rules: `scale` times or to `wanted`.

    `factor` is the pixels of a latent along a side.
    """
    width, height = size
    if wanted is None:
        assert scale is not None
        large = int(width * scale), int(height * scale)
        cut = 0, 0
    else:
        wide, high = wanted
        by_width = not high or (bool(wide) and width * high < wide * height)
        large = (wide, wide * height // width) if by_width else (high * width // height, high)
        cut = (
            (large[0] - (wide or large[0])) // factor,
            (large[1] - (high or large[1])) // factor,
        )
    covering = large[0] // factor, large[1] // factor
    return Enlarging(covering, (covering[0] - cut[0], covering[1] - cut[1]))


_TILES = "Tiles"


class TileFields(BaseModel):
    """A1111's SD upscale: the picture enlarged, cut into tiles, and each of these made anew."""

    upscale: Annotated[
        float | None,
        Field(
            ge=1,
            le=16,
            description="SD upscale: enlarge by this factor and refine in tiles of --size.",
        ),
        flag("--upscale", panel=_TILES, metavar="X"),
    ] = None
    upscaler: Annotated[
        str,
        parsed(partial(upscaler_name, latents=False)),
        Field(description="What enlarges it first: Lanczos, Nearest, or a network's file."),
        flag("--upscaler", panel=_TILES, metavar="NAME|FILE"),
    ] = LANCZOS
    tile_overlap: Annotated[
        int,
        Field(ge=0, le=1024, description="Pixels by which neighboring tiles overlap."),
        flag("--tile-overlap", panel=_TILES, metavar="PX"),
    ] = 64


# What only tiles give a meaning, and what goes with a whole picture alone.
_OF_TILES: Mapping[str, Any] = {"upscaler": LANCZOS, "tile_overlap": 64}
_OF_A_WHOLE = ("mask", "mask_rect", "outpaint", "invert", "seed_resize", "tiling")


def check_tiles(request: GenerationRequest) -> None:
    """Raise a field error for what needs tiles, or does not go with them."""
    if request.upscale is None:
        stray = next(
            (key for key, unset in _OF_TILES.items() if getattr(request, key) != unset), None
        )
        if stray:
            raise field_error(stray, "it works only with tiles", "add --upscale 2")
        return
    if request.init_img is None:
        raise field_error("upscale", "there is no picture to enlarge", "give one with --init-img")
    if wrong := next((key for key in _OF_A_WHOLE if getattr(request, key)), None):
        raise field_error(wrong, "it does not work with tiles")
    if request.resize_mode != "just":
        raise field_error("resize_mode", "it has no effect on tiles")
    sides = [side for side in (request.width, request.height) if side]
    if sides and request.tile_overlap > min(sides) // 2:
        raise field_error(
            "tile_overlap",
            f"it is more than half of a tile of {min(sides)} pixels",
            "--size sets the size of the tiles",
        )
