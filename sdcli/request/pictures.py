"""The picture that a request begins from: read from its file, and fit for the model."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sdcli.errors import UsageError
from sdcli.files import is_file, is_folder, path_of
from sdcli.images.formats import format_of, open_picture
from sdcli.images.masks import Margins, Patch, Rectangle, blurred, box_around, filled
from sdcli.images.resize import resized
from sdcli.notices import silent

from .fields import LEAST_SIDE, MOST_SIDE, MULTIPLE, Size
from .request import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image


_PAPER = (255, 255, 255)  # what A1111 puts behind what is transparent


def files_of(text: str, flag: str = "--init-img") -> list[str]:
    """Return the pictures that a flag names: one file, all of a folder, or those of a pattern.

    Raises UsageError for a folder or a pattern without pictures, and for an address.
    """
    if "://" in text:
        raise UsageError(
            f"{flag}: {text} is a URL, and sdcli does not download pictures", "download it first"
        )
    path = path_of(text)
    if is_folder(path):
        items = list(path.iterdir())
    elif re.search(r"[*?[]", text) and not is_file(path):
        root = Path(path.anchor or ".")
        try:
            items = list(root.glob(str(path.relative_to(path.anchor))))
        except (ValueError, OSError) as error:
            raise UsageError(f"{flag}: {text} is not a valid pattern: {error}") from error
    else:
        return [str(path)]
    files = sorted(item for item in items if format_of(item.name) and is_file(item))
    if not files:
        raise UsageError(f"{flag}: there are no pictures in {text}", "PNG, JPEG or WebP")
    return [str(item) for item in files]


def open_init(request: GenerationRequest) -> Image:
    """Open `init_img`, in RGB and of the request's size: by its resize mode, or as it is.

    For an inversion it is left as it is, and so for a resize of latents. Raises UsageError if it
    cannot be read, and where what is left as it is has sides that a model does not take.
    """
    image = in_color(read_init(request))
    if request.invert:
        _check(request, image, MULTIPLE)
        return image
    if request.resize_mode == "latent":
        return image
    return resized(image, size_of(request, image), request.resize_mode)


def sized(
    request: GenerationRequest, say: Callable[[str], None] = silent, *, multiple: int = MULTIPLE
) -> GenerationRequest:
    """Give the request its picture's size, where it has none of its own. Raises as `open_init`.

    That is the nearest smaller that the model takes, each side a `multiple` of so many pixels;
    where one side is given, the other follows in proportion.
    """
    image = read_init(request)
    if request.invert:
        _check(request, image, multiple)
        return request.model_copy(update={"width": image.width, "height": image.height})
    left, top, right, bottom = request.outpaint or Margins()
    width, height = image.width + left + right, image.height + top + bottom
    wide = request.width or (request.height * width / height if request.height else width)
    high = request.height or (request.width * height / width if request.width else height)
    size = {"width": _side(wide, multiple), "height": _side(high, multiple)}
    if request.masked and request.inpaint_area == "whole" and (wide % multiple or high % multiple):
        say(
            f"{request.init_img}: {wide:g}x{high:g} pixels become {size['width']}x"
            f"{size['height']}, since models need multiples of {multiple}; the kept part is "
            "resized too"
        )
    return request.model_copy(update=size)


def enlarged_size(size: tuple[int, int], factor: float) -> Size:
    """Return the size of a picture that becomes `factor` times as large. Raises UsageError."""
    large = Size(round(size[0] * factor), round(size[1] * factor))
    if not LEAST_SIDE <= min(large) <= max(large) <= MOST_SIDE:
        raise UsageError(
            f"the picture would be {large} pixels",
            f"sides must be from {LEAST_SIDE} to {MOST_SIDE}",
        )
    return large


def tiles_sized(
    request: GenerationRequest, native: int, *, multiple: int = MULTIPLE
) -> GenerationRequest:
    """Return the request with the size of its tiles: the model's `native` one, where it has none.

    They are never larger than the enlarged picture. Raises UsageError.
    """
    assert request.upscale
    large = enlarged_size(read_init(request).size, request.upscale)
    width, height = request.width or native, request.height or native
    size = {
        "width": _side(min(width, large.width), multiple),
        "height": _side(min(height, large.height), multiple),
    }
    if request.tile_overlap > min(size.values()) // 2:
        raise UsageError(
            f"--tile-overlap: {request.tile_overlap} pixels are more than half of a tile of "
            f"{Size(**size)}"
        )
    return request.model_copy(update=size)


def in_color(image: Image) -> Image:
    """Return the picture in RGB, on white where it is transparent."""
    from PIL import Image as images

    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        import numpy as np

        image = images.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    whole = image.convert("RGBA")
    page = images.new("RGB", whole.size, _PAPER)
    page.paste(whole, mask=whole.getchannel("A"))
    return page


def read_init(request: GenerationRequest) -> Image:
    """Return the picture, upright, otherwise as it is in its file. Raises UsageError."""
    from PIL import ImageOps

    assert request.init_img is not None
    return ImageOps.exif_transpose(_open(request, request.init_img))


def _open(request: GenerationRequest, name: str) -> Image:
    """Open a picture that the request names: one in memory, or a file. Raises UsageError."""
    held = request.pictures.get(name)
    return open_picture(Path(name)) if held is None else held


def concrete_size(request: GenerationRequest) -> Size:
    """Return a request's width and height. Raises UsageError for one that does not have both."""
    if request.width is None or request.height is None:
        raise UsageError("the picture has no size yet", "give it width and height")
    return Size(request.width, request.height)


def size_of(request: GenerationRequest, image: Image) -> tuple[int, int]:
    """Return the sides that are asked for; the picture's where none is."""
    return request.width or image.width, request.height or image.height


def _side(pixels: float, multiple: int) -> int:
    return max(LEAST_SIDE, int(pixels) // multiple * multiple)


def _check(request: GenerationRequest, image: Image, multiple: int) -> None:
    width, height = image.size
    if width % multiple or height % multiple or min(width, height) < LEAST_SIDE:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels; a model takes "
            f"multiples of {multiple}, from {LEAST_SIDE} up",
            "crop or resize it first",
        )
    asked = (request.width or width, request.height or height)
    if asked != image.size:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels, "
            f"not {asked[0]}x{asked[1]}",
            "leave out the size to use the picture's own",
        )


_ALPHA = "alpha"  # as a mask: what is transparent in the picture
_LEAST_MASKED = 128  # of 255: a latent that is masked by less is kept, as in A1111
_OPAQUE = 128  # of 255: a mask's alpha above it counts as all of it, as in A1111


def open_patch(request: GenerationRequest, say: Callable[[str], None]) -> Patch:
    """Return what a request with a mask, a rectangle or an outpainting makes anew of the picture.

    Raises UsageError for a picture or a mask that cannot be read, and where nothing is covered.
    """
    from PIL import ImageChops

    raw = read_init(request)
    image, mask = in_color(raw), _mask(request, raw, say)
    if request.invert_mask:
        mask = ImageChops.invert(mask)
    if request.outpaint:
        image, mask = _outpainted(image, mask, request.outpaint)
    mask = blurred(mask, request.mask_blur)
    size = size_of(request, image)
    box = box_around(mask, size, padding=request.padding)
    if box is None:
        raise UsageError("the mask is empty, so nothing would change", "white is what changes")
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
            "the mask is too small: it vanishes in the latents, an eighth of the size",
            "make it larger, or --inpaint-area masked",
        )
    if request.inpaint_fill != "original":
        image = filled(image, mask)
    return Patch(image, mask, base, over, box)


def _mask(request: GenerationRequest, image: Image, say: Callable[[str], None]) -> Image:
    """Return the mask of the mask's file and the rectangles, L, of the picture's size."""
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
        upright = ImageOps.exif_transpose(_open(request, request.mask))
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
    """Return how much the most masked of the latents is."""
    from PIL import Image as images

    small = mask.resize(
        (mask.width // MULTIPLE, mask.height // MULTIPLE), images.Resampling.BICUBIC
    )
    return int(max(small.tobytes()))


def _drawn(image: Image, *, soft: bool) -> Image:
    """Turn a mask's file into levels: its alpha's, if it has any that differ, else its gray's."""
    if image.has_transparency_data:
        alpha = _alpha(image, soft=soft)
        if alpha.getextrema() != (255, 255):
            return alpha
    return in_color(image).convert("L")


def _alpha(image: Image, *, soft: bool) -> Image:
    alpha = image.convert("RGBA").getchannel("A")
    return alpha if soft else alpha.point(lambda level: 255 if level > _OPAQUE else 0)


def _within(rectangle: Rectangle, image: Image) -> tuple[int, int, int, int]:
    x, y, width, height = rectangle
    if x >= image.width or y >= image.height:
        raise UsageError(
            f"--mask-rect: {rectangle} lies outside the picture, which has "
            f"{image.width}x{image.height} pixels"
        )
    return x, y, min(x + width, image.width), min(y + height, image.height)


def _outpainted(image: Image, mask: Image, margins: Margins) -> tuple[Image, Image]:
    """Put picture and mask on a larger page: edges stretched over the new part, which is masked."""
    from PIL import Image as images

    from sdcli.images.resize import laid_on

    left, top, right, bottom = margins
    size = (image.width + left + right, image.height + top + bottom)
    if max(size) > MOST_SIDE:
        raise UsageError(f"--outpaint: a picture's sides can be at most {MOST_SIDE} pixels")
    covered = images.new("L", size, 255)
    covered.paste(mask, (left, top))
    return laid_on(size, image, left, top), covered
