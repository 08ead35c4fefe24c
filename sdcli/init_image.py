"""Owns the picture that a request begins from: read from its file, and fit for the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .picture_files import open_picture
from .request import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER = (255, 255, 255)  # what A1111 puts behind what is transparent
_LEAST = 64  # pixels of a side


def open_init(request: GenerationRequest) -> Image:
    """The picture `init_img`, in RGB and of the request's size: by its resize mode, or as it is.

    For an inversion it is left as it is, and so for a resize of latents. Raises UsageError if it
    cannot be read, and where what is left as it is has sides that a model does not take.
    """
    image = _read(request)
    if request.invert:
        _check(request, image)
        return image
    if request.resize_mode == "latent":
        return image
    size = (request.width or image.width, request.height or image.height)
    return resized(image, size, request.resize_mode)


def sized(request: GenerationRequest) -> GenerationRequest:
    """The request with its picture's size, where it has none of its own. Raises as `open_init`.

    That is the nearest smaller that a model takes, multiples of 8; where one side is asked for, the
    other follows in proportion.
    """
    image = _read(request)
    if request.invert:
        _check(request, image)
        return request.model_copy(update={"width": image.width, "height": image.height})
    width, height = image.size
    wide = request.width or (request.height * width / height if request.height else width)
    high = request.height or (request.width * height / width if request.width else height)
    return request.model_copy(update={"width": _side(wide), "height": _side(high)})


def resized(image: Image, size: tuple[int, int], mode: str) -> Image:
    """The picture at that size as A1111 brings it there, by Lanczos.

    `just` stretches it; `crop` cuts off what is beyond; `fill` shows all of it, and stretches its
    first and last row or column over the bands that are left.
    """
    from PIL import Image

    if image.size == size:
        return image
    lanczos = Image.Resampling.LANCZOS
    if mode == "just":
        return image.resize(size, lanczos)
    width, height = size
    wider = width / height > image.width / image.height  # than the picture is
    by_width = wider == (mode == "crop")
    inner = (
        (width, image.height * width // image.width)
        if by_width
        else (image.width * height // image.height, height)
    )
    scaled = image.resize(inner, lanczos)
    page = Image.new("RGB", size)
    left, top = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    page.paste(scaled, (left, top))
    if mode == "fill":
        _fill_bands(page, scaled, left, top)
    return page


def _fill_bands(page: Image, inner: Image, left: int, top: int) -> None:
    """Stretch the edges of the picture, which lies at (left, top), to those of the page."""
    (width, height), (wide, high) = page.size, inner.size
    if top > 0:
        page.paste(inner.resize((width, top), box=(0, 0, wide, 0)), (0, 0))
        below = inner.resize((width, top), box=(0, high, wide, high))
        page.paste(below, (0, top + high))
    if left > 0:
        page.paste(inner.resize((left, height), box=(0, 0, 0, high)), (0, 0))
        beside = inner.resize((left, height), box=(wide, 0, wide, high))
        page.paste(beside, (left + wide, 0))


def _read(request: GenerationRequest) -> Image:
    assert request.init_img is not None
    if "://" in request.init_img:
        raise UsageError(
            f"--init-img: {request.init_img} is an address, and sdcli fetches no pictures",
            "download it first",
        )
    return _in_colour(open_picture(Path(request.init_img)))


def _in_colour(image: Image) -> Image:
    """Upright, in RGB, and on white where it is transparent."""
    from PIL import Image as images
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        import numpy as np

        image = images.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
    if not (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
        return image.convert("RGB")
    whole = image.convert("RGBA")
    page = images.new("RGB", whole.size, _PAPER)
    page.paste(whole, mask=whole.getchannel("A"))
    return page


def _side(pixels: float) -> int:
    return max(_LEAST, int(pixels) // 8 * 8)


def _check(request: GenerationRequest, image: Image) -> None:
    width, height = image.size
    if width % 8 or height % 8 or min(width, height) < _LEAST:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels; a model takes "
            f"multiples of 8, from {_LEAST} up",
            "crop or resize it first",
        )
    asked = (request.width or width, request.height or height)
    if asked != image.size:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels, "
            f"not {asked[0]}x{asked[1]}",
            "leave out the size: the picture's own is taken",
        )
