"""Owns the picture that a request begins from: read from its file, and fit for the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .picture_files import open_picture
from .request import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image


def open_init(request: GenerationRequest) -> Image:
    """The picture `init_img`.

    Raises UsageError if it cannot be read, if its sides are not what a model takes (multiples of 8
    from 64 up), or not those that the request asks for.
    """
    assert request.init_img is not None
    image = open_picture(Path(request.init_img))
    width, height = image.size
    if width % 8 or height % 8 or min(width, height) < 64:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels; a model takes "
            "multiples of 8, from 64 up",
            "crop or resize it first",
        )
    asked = (request.width or width, request.height or height)
    if asked != image.size:
        raise UsageError(
            f"--init-img: {request.init_img} has {width}x{height} pixels, "
            f"not {asked[0]}x{asked[1]}",
            "leave out the size: the picture's own is taken",
        )
    return image


def sized(request: GenerationRequest) -> GenerationRequest:
    """The request with its picture's size. Raises as `open_init` does."""
    width, height = open_init(request).size
    return request.model_copy(update={"width": width, "height": height})
