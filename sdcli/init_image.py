"""Owns the picture that a request begins from: read from its file, and fit for the model."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .fields import LEAST_SIDE, MOST_SIDE, Size
from .file_names import is_file, is_folder, path_of
from .hub import silent
from .inpainting import Margins
from .picture_files import open_picture
from .request import GenerationRequest
from .resizing import resized
from .settings import format_of

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER = (255, 255, 255)  # what A1111 puts behind what is transparent


def files_of(text: str, flag: str = "--init-img") -> list[str]:
    """The pictures that a flag names: one file, all of a folder, or those of a pattern.

    Raises UsageError for a folder or a pattern without pictures, and for an address.
    """
    if "://" in text:
        raise UsageError(
            f"{flag}: {text} is an address, and sdcli fetches no pictures", "download it first"
        )
    path = path_of(text)
    if is_folder(path):
        items = list(path.iterdir())
    elif re.search(r"[*?[]", text) and not is_file(path):
        root = Path(path.anchor or ".")
        try:
            items = list(root.glob(str(path.relative_to(path.anchor))))
        except (ValueError, OSError) as error:
            raise UsageError(f"{flag}: {text} is no pattern: {error}") from error
    else:
        return [str(path)]
    found = sorted(item for item in items if format_of(item.name) and is_file(item))
    if not found:
        raise UsageError(f"{flag}: there are no pictures in {text}", "PNG, JPEG or WebP")
    return [str(item) for item in found]


def open_init(request: GenerationRequest) -> Image:
    """The picture `init_img`, in RGB and of the request's size: by its resize mode, or as it is.

    For an inversion it is left as it is, and so for a resize of latents. Raises UsageError if it
    cannot be read, and where what is left as it is has sides that a model does not take.
    """
    image = in_colour(read_init(request))
    if request.invert:
        _check(request, image)
        return image
    if request.resize_mode == "latent":
        return image
    return resized(image, size_of(request, image), request.resize_mode)


def sized(request: GenerationRequest, say: Callable[[str], None] = silent) -> GenerationRequest:
    """The request with its picture's size, where it has none of its own. Raises as `open_init`.

    That is the nearest smaller that a model takes, multiples of 8; where one side is asked for, the
    other follows in proportion.
    """
    image = read_init(request)
    if request.invert:
        _check(request, image)
        return request.model_copy(update={"width": image.width, "height": image.height})
    left, top, right, bottom = request.outpaint or Margins()
    width, height = image.width + left + right, image.height + top + bottom
    wide = request.width or (request.height * width / height if request.height else width)
    high = request.height or (request.width * height / width if request.width else height)
    found = {"width": _side(wide), "height": _side(high)}
    if request.masked and request.inpaint_area == "whole" and (wide % 8 or high % 8):
        say(
            f"{request.init_img}: {wide:g}x{high:g} pixels become {found['width']}x"
            f"{found['height']}, for a model takes multiples of 8; what is kept is resized too"
        )
    return request.model_copy(update=found)


def enlarged_size(size: tuple[int, int], factor: float) -> Size:
    """The size of a picture that becomes `factor` times as large. Raises UsageError."""
    large = Size(round(size[0] * factor), round(size[1] * factor))
    if not LEAST_SIDE <= min(large) <= max(large) <= MOST_SIDE:
        raise UsageError(
            f"the picture would have {large} pixels", f"sides are from {LEAST_SIDE} to {MOST_SIDE}"
        )
    return large


def tiles_sized(request: GenerationRequest, native: int) -> GenerationRequest:
    """The request with the size of its tiles: the model's `native` one, where it has none.

    They are never larger than the enlarged picture. Raises UsageError.
    """
    assert request.upscale
    large = enlarged_size(read_init(request).size, request.upscale)
    width, height = request.width or native, request.height or native
    found = {"width": _side(min(width, large.width)), "height": _side(min(height, large.height))}
    if request.tile_overlap > min(found.values()) // 2:
        raise UsageError(
            f"--tile-overlap: {request.tile_overlap} pixels are more than half of a tile of "
            f"{Size(**found)}"
        )
    return request.model_copy(update=found)


def in_colour(image: Image) -> Image:
    """In RGB, and on white where it is transparent."""
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
    """The picture, upright, otherwise as it is in its file. Raises UsageError."""
    from PIL import ImageOps

    assert request.init_img is not None
    return ImageOps.exif_transpose(open_picture(Path(request.init_img)))


def size_of(request: GenerationRequest, image: Image) -> tuple[int, int]:
    """The sides that are asked for; the picture's where none is."""
    return request.width or image.width, request.height or image.height


def _side(pixels: float) -> int:
    return max(LEAST_SIDE, int(pixels) // 8 * 8)


def _check(request: GenerationRequest, image: Image) -> None:
    width, height = image.size
    if width % 8 or height % 8 or min(width, height) < LEAST_SIDE:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels; a model takes "
            f"multiples of 8, from {LEAST_SIDE} up",
            "crop or resize it first",
        )
    asked = (request.width or width, request.height or height)
    if asked != image.size:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels, "
            f"not {asked[0]}x{asked[1]}",
            "leave out the size: the picture's own is taken",
        )
