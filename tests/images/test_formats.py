"""Picture files: where each format keeps its text, and files that are damaged or no picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdcli.errors import UsageError
from sdcli.images.formats import encode, read_file

IMAGE = Image.new("RGB", (8, 8), "red")
SETTINGS = "Steps: 20, Sampler: DPM++ 2M, Seed: 3"


def saved(data: bytes) -> Path:
    """A file of these bytes."""
    Path("picture").write_bytes(data)
    return Path("picture")


@pytest.mark.parametrize(("prompt", "kind"), [("café", b"tEXt"), ("一", b"iTXt")])
def test_a_png_holds_latin_text_as_latin_and_other_text_as_utf_8(prompt: str, kind: bytes) -> None:
    data = encode(IMAGE, prompt, "png", quality=90)
    assert kind + b"parameters\0" in data
    assert read_file(saved(data)) == prompt


@pytest.mark.parametrize("order", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("prompt", ["a", "一", "\u0100"])
def test_exif_text_is_read_in_either_byte_order(order: str, prompt: str) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + f"{prompt}\n{SETTINGS}".encode(order)}
    IMAGE.save("a.jpg", exif=exif)
    assert read_file(Path("a.jpg")) == f"{prompt}\n{SETTINGS}"


def test_without_text_a_picture_has_none_and_a_jpegs_cannot_be_too_long() -> None:
    for file_format in ("png", "jpg", "webp"):
        assert read_file(saved(encode(IMAGE, None, file_format, quality=90))) is None
    with pytest.raises(UsageError, match="too long for a JPEG"):
        encode(IMAGE, "a" * 40_000, "jpg", quality=90)


PNG = encode(IMAGE, f"a\n{SETTINGS}", "png", quality=90)
BROKEN = [PNG[:cut] for cut in range(0, PNG.index(b"IEND") - 20, 9)]
BROKEN += [PNG.replace(b"IDAT", b"IDAX"), PNG[:60] + b"\0" * 60 + PNG[120:], b"garbage" * 99]
BROKEN += [encode(IMAGE, "a", "jpg", quality=90)[:-2]]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: f"{len(data)} bytes")
def test_a_damaged_picture_is_a_usage_error(data: bytes) -> None:
    with pytest.raises(UsageError, match="picture"):
        read_file(saved(data))


def test_what_is_no_file_is_a_usage_error() -> None:
    for name in ("missing.png", "."):
        with pytest.raises(UsageError, match=f"cannot read {name}"):
            read_file(Path(name))


def test_exif_text_marked_as_ascii_is_read() -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"ASCII\0\0\0" + SETTINGS.encode()}
    IMAGE.save("a.jpg", exif=exif)
    assert read_file(Path("a.jpg")) == SETTINGS


def test_other_formats_are_refused() -> None:
    IMAGE.save("a.bmp")
    with pytest.raises(UsageError, match="not a readable PNG, JPEG, WebP or GIF"):
        read_file(Path("a.bmp"))
