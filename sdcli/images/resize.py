"""How a picture comes to another size, as A1111's resize modes have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def resized(image: Image, size: tuple[int, int], mode: str) -> Image:
    """Return the picture at that size as A1111 brings it there, by Lanczos.

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
    left, top = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    if mode == "fill":
        return laid_on(size, scaled, left, top)
    page = Image.new(image.mode, size)
    page.paste(scaled, (left, top))
    return page


def laid_on(size: tuple[int, int], inner: Image, left: int, top: int) -> Image:
    """Lay the picture at (left, top) of a page of that size, and stretch its edges to the page's.

    Stretched are its first and last row, and then the columns of what that makes.
    """
    from PIL import Image

    width, height = size
    page = Image.new(inner.mode, size)
    page.paste(inner, (left, top))
    right, bottom = left + inner.width, top + inner.height
    across = (left, right)
    for edge, first, last in ((top, 0, top), (bottom - 1, bottom, height)):
        if last > first:
            row = page.crop((across[0], edge, across[1], edge + 1))
            page.paste(row.resize((inner.width, last - first)), (left, first))
    for edge, first, last in ((left, 0, left), (right - 1, right, width)):
        if last > first:
            column = page.crop((edge, 0, edge + 1, height))
            page.paste(column.resize((last - first, height)), (first, 0))
    return page
