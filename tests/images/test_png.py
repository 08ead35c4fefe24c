"""PNG files: every pixel and text comes back, and no file is much larger than Pillow's."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from repository import DOCS

from sdcli.images.png import write_png

DEPTHS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def in_mode(pixels: np.ndarray, mode: str) -> Image.Image:
    """A picture of (height, width, depth) bytes."""
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode)


def noise(width: int, height: int, mode: str) -> Image.Image:
    """A picture that no filter makes smaller."""
    random = np.random.default_rng(0)
    return in_mode(random.integers(0, 256, (height, width, DEPTHS[mode]), np.uint8), mode)


def flat(width: int, height: int, mode: str) -> Image.Image:
    """Shapes on one colour."""
    image = Image.new("RGB", (width, height), "skyblue")
    pen = ImageDraw.Draw(image)
    for place in range(12):
        x, y, size = width * place // 12, height * (place * 7 % 12) // 12, max(width, height) // 8
        pen.ellipse((x, y, x + size, y + size), (20 * place, 255 - 20 * place, 90))
    return image.convert(mode)


def gradient(width: int, height: int, mode: str) -> Image.Image:
    """Each channel grows another way."""
    y, x = np.mgrid[:height, :width]
    ways = (x * 255 / width, y * 255 / height, (x + y) * 127 / height, 255 - x * 255 / width)
    return in_mode(np.stack(ways[: DEPTHS[mode]], axis=-1).astype(np.uint8), mode)


def photo(width: int, height: int, mode: str) -> Image.Image:
    """Clouds of all sizes, alike in all channels, and grain."""
    random = np.random.default_rng(0)
    rate = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    rate[0, 0] = np.inf
    waves = random.normal(size=(4, *rate.shape, 2)).view(complex)[..., 0] / rate**1.5
    clouds = np.fft.irfft2(waves, (height, width))
    clouds /= clouds.std() or 1
    clouds = 0.9 * clouds[:1] + 0.4 * clouds
    grainy = 128 + 40 * clouds + 3 * random.normal(size=clouds.shape)
    pixels = grainy.round().clip(0, 255).astype(np.uint8)
    return in_mode(np.moveaxis(pixels, 0, -1)[..., : DEPTHS[mode]].copy(), mode)


def drawn_by_the_model(width: int, height: int, mode: str) -> Image.Image:
    """A picture of the model that ships."""
    with Image.open(DOCS / "house.png") as image:
        return image.resize((width, height), Image.Resampling.LANCZOS).convert(mode)


KINDS = [noise, flat, gradient, photo, drawn_by_the_model]
Kind = Callable[[int, int, str], Image.Image]


def by_pillow(image: Image.Image, text: str | None = None) -> bytes:
    """What Pillow makes of it by default."""
    file, info = BytesIO(), PngInfo()
    if text is not None:
        info.add_text("parameters", text)
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Names and contents of a file's chunks, each checked against its sum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        (total,) = struct.unpack_from(">I", data, at + 8 + size)
        assert zlib.crc32(name + content) == total
        found.append((name, content))
        at += 12 + size
    return found


def filters(image: Image.Image) -> set[int]:
    """PNG's numbers of the filters that the picture's rows went through."""
    packed = b"".join(
        content for name, content in chunks(write_png(image, None)) if name == b"IDAT"
    )
    rows = zlib.decompress(packed)
    return set(rows[:: len(rows) // image.height])


def assert_returns(image: Image.Image) -> None:
    """Pillow reads what was written."""
    with Image.open(BytesIO(write_png(image, None))) as read:
        assert (read.mode, read.size) == (image.mode, image.size)
        assert read.tobytes() == image.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", DEPTHS)
def test_every_pixel_comes_back(mode: str, kind: Kind, subtests: pytest.Subtests) -> None:
    for size in ((1, 1), (1, 9), (9, 1), (31, 33), (64, 64), (257, 100)):
        with subtests.test(size=size):
            assert_returns(kind(*size, mode))


@given(st.data(), st.sampled_from(sorted(DEPTHS)), st.integers(1, 12), st.integers(1, 12))
def test_every_pixel_of_any_picture_comes_back(
    data: st.DataObject, mode: str, width: int, height: int
) -> None:
    size = width * height * DEPTHS[mode]
    pixels = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), np.uint8)
    assert_returns(in_mode(pixels.reshape(height, width, DEPTHS[mode]), mode))


def test_each_filter_has_its_use() -> None:
    """So that the tests above are tests of them all."""
    assert filters(flat(64, 64, "RGB")) | filters(photo(64, 64, "RGB")) == {2, 3, 4}


@pytest.mark.parametrize("mode", DEPTHS)
def test_all_but_the_pixels_is_as_pillow_writes_it(mode: str, subtests: pytest.Subtests) -> None:
    texts = [None, "", "a fox", "café", "一", "a\nSteps: 20, Seed: 3", "x" * 70_000]
    for text in texts:
        with subtests.test(text=(text or "")[:20]):
            ours, theirs = (
                [chunk for chunk in chunks(make(photo(9, 7, mode), text)) if chunk[0] != b"IDAT"]
                for make in (write_png, by_pillow)
            )
            assert ours == theirs


@pytest.mark.parametrize("mode", ["1", "P", "I;16"])
def test_other_modes_are_left_to_pillow(mode: str) -> None:
    image = Image.new(mode, (9, 7), 1)
    assert write_png(image, "a fox") == by_pillow(image, "a fox")


@pytest.mark.parametrize("extra", [{"icc_profile": b"abc"}, {"transparency": (1, 2, 3)}])
def test_a_picture_that_brings_more_than_pixels_is_left_to_pillow(
    extra: dict[str | tuple[int, int], Any],
) -> None:
    image = photo(9, 7, "RGB")
    image.info |= extra
    assert write_png(image, "a fox") == by_pillow(image, "a fox")


@pytest.mark.parametrize("kind", [noise, photo, drawn_by_the_model])
@pytest.mark.parametrize("size", [(128, 128), (512, 512), (640, 360)])
def test_what_has_grain_makes_a_file_at_most_5_percent_larger_than_pillows(
    size: tuple[int, int], kind: Kind
) -> None:
    image = kind(*size, "RGB")
    assert len(write_png(image, None)) <= 1.05 * len(by_pillow(image))


@pytest.mark.parametrize("kind", [flat, gradient])
@pytest.mark.parametrize("size", [(128, 128), (512, 512), (640, 360)])
def test_what_is_drawn_makes_a_file_at_most_a_tenth_and_200_bytes_larger(
    size: tuple[int, int], kind: Kind
) -> None:
    image = kind(*size, "RGB")
    assert len(write_png(image, None)) <= 1.1 * len(by_pillow(image)) + 200


def test_so_does_a_sheet_of_pictures_with_lettering() -> None:
    sheet = Image.new("RGB", (600, 400), "white")
    pen = ImageDraw.Draw(sheet)
    for place in range(8):
        x, y = place % 4 * 150 + 10, place // 4 * 200 + 40
        sheet.paste(drawn_by_the_model(128, 128, "RGB"), (x, y))
        pen.text((x, y - 20), f"Steps: {place}, DPM++ 2M", "black")
    assert len(write_png(sheet, None)) <= 1.1 * len(by_pillow(sheet))
