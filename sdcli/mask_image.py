"""Owns what of a picture is made anew: read from a mask's file, its alpha, rectangles, margins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .fields import MOST_SIDE
from .init_image import in_colour, read_init, size_of
from .inpainting import Margins, Patch, Rectangle, blurred, box_around, filled
from .picture_files import open_picture
from .request import GenerationRequest
from .resizing import resized

if TYPE_CHECKING:
    from PIL.Image import Image

_ALPHA = "alpha"  # as a mask: what is transparent in the picture
_LEAST_MASKED = 128  # of 255: a latent that is masked by less is kept, as in A1111
_OPAQUE = 128  # of 255: a mask's alpha above it counts as all of it, as in A1111


def open_patch(request: GenerationRequest, say: Callable[[str], None]) -> Patch:
    """What of the picture is made anew, for a request with a mask, a rectangle or an outpainting.

    Raises UsageError for a picture or a mask that cannot be read, and where nothing is covered.
    """
    from PIL import ImageChops

    raw = read_init(request)
    image, mask = in_colour(raw), _mask(request, raw, say)
    if request.invert_mask:
        mask = ImageChops.invert(mask)
    if request.outpaint:
        image, mask = _outpainted(image, mask, request.outpaint)
    mask = blurred(mask, request.mask_blur)
    size = size_of(request, image)
    box = box_around(mask, size, padding=request.padding)
    if box is None:
        raise UsageError("the mask covers nothing, so nothing would be made anew", "white is anew")
    if request.inpaint_area == "masked":
        base, over = image, mask
        image, mask = (resized(each.crop(box), size, "fill") for each in (image, mask))
    else:
        box = None
        base = image = resized(image, size, request.resize_mode)
        mask = resized(mask, size, request.resize_mode)
        over = mask.point(lambda level: min(2 * level, 255))
    if not request.soft_mask and _most_masked(mask) < _LEAST_MASKED:
        raise UsageError(
            "the mask is too small: nothing of it is left in latents, an eighth of the size",
            "make it larger, or --inpaint-area masked",
        )
    if request.inpaint_fill != "original":
        image = filled(image, mask)
    return Patch(image, mask, base, over, box)


def _mask(request: GenerationRequest, image: Image, say: Callable[[str], None]) -> Image:
    """All that is covered by the mask's file and the rectangles, L, of the picture's size."""
    from PIL import Image as images
    from PIL import ImageChops, ImageOps

    mask = images.new("L", image.size)
    if request.mask is not None and request.mask.casefold() == _ALPHA:
        if not image.has_transparency_data:
            raise UsageError(
                f"--mask: nothing is transparent in {request.init_img}", "give a mask's file"
            )
        mask = ImageChops.invert(_alpha(image, soft=request.soft_mask))
    elif request.mask is not None:
        upright = ImageOps.exif_transpose(open_picture(Path(request.mask)))
        mask = _drawn(upright, soft=request.soft_mask)
    if mask.size != image.size:
        say(
            f"the mask has {mask.width}x{mask.height} pixels; it is resized to the picture's "
            f"{image.width}x{image.height}"
        )
        mask = mask.resize(image.size, images.Resampling.LANCZOS)
    for rectangle in request.mask_rect:
        mask.paste(255, _within(rectangle, image))
    return mask


def _most_masked(mask: Image) -> int:
    """How much the most masked of the latents is."""
    from PIL import Image as images

    small = mask.resize((mask.width // 8, mask.height // 8), images.Resampling.BICUBIC)
    return int(max(small.tobytes()))


def _drawn(image: Image, *, soft: bool) -> Image:
    """A mask's file as levels: those of its alpha, if it has any that differ, else of its grey."""
    if image.has_transparency_data:
        alpha = _alpha(image, soft=soft)
        if alpha.getextrema() != (255, 255):
            return alpha
    return in_colour(image).convert("L")


def _alpha(image: Image, *, soft: bool) -> Image:
    alpha = image.convert("RGBA").getchannel("A")
    return alpha if soft else alpha.point(lambda level: 255 if level > _OPAQUE else 0)


def _within(rectangle: Rectangle, image: Image) -> tuple[int, int, int, int]:
    x, y, width, height = rectangle
    if x >= image.width or y >= image.height:
        raise UsageError(
            f"--mask-rect: {rectangle} lies outside of the picture, which has "
            f"{image.width}x{image.height} pixels"
        )
    return x, y, min(x + width, image.width), min(y + height, image.height)


def _outpainted(image: Image, mask: Image, margins: Margins) -> tuple[Image, Image]:
    """Both on a larger page, the picture's edges stretched over what is new, which is covered."""
    from PIL import Image as images

    from .resizing import laid_on

    left, top, right, bottom = margins
    size = (image.width + left + right, image.height + top + bottom)
    if max(size) > MOST_SIDE:
        raise UsageError(f"--outpaint: a picture's sides are {MOST_SIDE} pixels at most")
    covered = images.new("L", size, 255)
    covered.paste(mask, (left, top))
    return laid_on(size, image, left, top), covered
