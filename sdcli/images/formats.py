"""Picture files: pixels with their own text in PNG, JPEG and WebP, written and read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from sdcli.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_COMFYUI = (0x010F, 0x0110)  # EXIF's make and model, where it writes "prompt:{…}" in WebP
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"
_READABLE = ("PNG", "JPEG", "WEBP", "GIF")
_MILLISECONDS = 80  # of an animation's frame
_MOST_IN_JPEG = 65_000  # bytes of EXIF; a JPEG segment holds 65,533

Format = Literal["png", "jpg", "webp"]


def format_of(path: str) -> Format | None:
    """Return the picture format that a file name's ending says; None for no or another ending."""
    endings: dict[str, Format] = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}
    return endings.get(PurePath(path).suffix.lower())


def check_fits(text: str, file_format: str) -> None:
    """Raise UsageError for a text that the format cannot hold, before the picture is made."""
    if file_format == "jpg" and len(text.encode("utf-16-be")) > _MOST_IN_JPEG - 200:
        raise UsageError("the prompt is too long for a JPEG's metadata", "--format png")


def encode(image: Image, text: str | None, file_format: str, *, quality: int) -> bytes:
    """Return the picture's file: `file_format` png, jpg or webp, `text` inside it unless None.

    `quality` is for jpg and webp. Raises UsageError where `check_fits` does.
    """
    if file_format == "png":
        from .png import write_png

        return write_png(image, text)
    from PIL.Image import Exif

    buffer, exif = BytesIO(), Exif()
    if text is not None:
        check_fits(text, file_format)
        exif[_EXIF_IFD] = {_USER_COMMENT: _UNICODE + text.encode("utf-16-be")}
    kind = {"jpg": "JPEG", "webp": "WEBP"}[file_format]
    image.convert("RGB").save(buffer, kind, quality=quality, exif=exif)
    return buffer.getvalue()


def encode_animation(images: Sequence[Image], text: str | None, ending: str) -> bytes:
    """Encode one .gif or .webp that loops through the pictures, with `text` inside it."""
    from PIL.Image import Exif

    buffer = BytesIO()
    frames: dict[str, Any] = {"save_all": True, "append_images": images[1:]}
    frames |= {"duration": _MILLISECONDS, "loop": 0}
    if ending == ".gif":
        images[0].save(buffer, "GIF", **frames, comment=(text or "").encode())
    else:
        exif = Exif()
        if text is not None:
            exif[_EXIF_IFD] = {_USER_COMMENT: _UNICODE + text.encode("utf-16-be")}
        images[0].save(buffer, "WEBP", **frames, exif=exif)
    return buffer.getvalue()


def open_picture(path: Path) -> Image:
    """Return a picture, all of its pixels read.

    Raises UsageError for a file that is missing, damaged, or no picture.
    """
    with _opened(path) as image:
        return image


def read_file(path: Path) -> str | None:
    """Read the "parameters" text of a picture, None if it has none; raises as `open_picture`."""
    return read_chunks(path).get("parameters")


def read_chunks(path: Path) -> dict[str, str]:
    """Return all texts in a picture, by their names: "parameters", or what other programs write.

    Raises as `open_picture` does.
    """
    with _opened(path) as image:
        chunks = {str(key): text for key, text in image.info.items() if isinstance(text, str)}
        comment = image.info.get("comment")
        exif = image.getexif()
        own = exif.get_ifd(_EXIF_IFD)  # taken apart only now, and as damaged as anything
        camera = [str(exif.get(tag, "")) for tag in _COMFYUI]
    if isinstance(comment, bytes) and image.format == "GIF":  # a JPEG's is another program's
        chunks.setdefault("parameters", comment.decode(errors="replace"))
    if text := _user_comment(own.get(_USER_COMMENT)):
        chunks["parameters"] = text
    for words in camera:
        name, colon, text = words.partition(":")
        if colon and text.startswith("{"):
            chunks.setdefault(name.lower(), text)
    return {key: text for key, text in chunks.items() if text}


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_READABLE) as image:
            image.load()  # so that a file cut short is told, not half read
            yield image
    except UnidentifiedImageError as error:
        raise UsageError(f"{path} is not a readable PNG, JPEG, WebP or GIF") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read {path}: {reason}") from error


def _user_comment(comment: object) -> str | None:
    if not isinstance(comment, bytes):
        return None
    if comment.startswith(_ASCII):
        return comment.removeprefix(_ASCII).decode(errors="replace") or None
    if not comment.startswith(_UNICODE):
        return None
    body = comment.removeprefix(_UNICODE)
    # The standard leaves the byte order open; the zero bytes of ASCII's letters tell which it is.
    order = "utf-16-le" if body[1::2].count(0) > body[::2].count(0) else "utf-16-be"
    return body.decode(order, errors="replace") or None
