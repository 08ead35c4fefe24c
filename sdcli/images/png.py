"""PNG files: rows filtered by numpy, deflated in the way that suits what they show.

Import it where a PNG is saved, not before: it brings numpy.

Our own, as no light library is both quick and small where there is grain. Measured were Pillow's
levels and strategies, fpng, OpenCV and imagecodecs, and in zlib's place isal, libdeflate, zlib-ng.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo, putchunk

Bytes = NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLORS = {"L": 0, "LA": 4, "RGB": 2, "RGBA": 6}  # PNG's number of each mode written here
_OF_PILLOW = {"icc_profile", "transparency"}  # what Pillow takes over from the picture's `info`
_UP, _AVERAGE, _PAETH = 2, 3, 4  # PNG's numbers; its other two filters are hardly ever the best
_BAND = 32  # rows filtered at once: what that takes stays in the processor's cache
_SLICES, _SLICE = 8, 8  # what is tried out: so many slices of so many rows

# What a model paints has grain: there, runs of one byte and Huffman codes make a file as small as
# deflate's, in a quarter of the time. What is drawn (lettering, flat shapes, gradients) repeats
# itself, and only deflate finds that; the more it finds, the less its thorough level takes.
_RUNS = (1, zlib.Z_RLE)
_REPEATS, _REPEATS_BELOW = (4, zlib.Z_DEFAULT_STRATEGY), 0.95  # of the size by runs
_THOROUGH, _THOROUGH_BELOW = (6, zlib.Z_DEFAULT_STRATEGY), 0.5


def write_png(image: Image, text: str | None) -> bytes:
    """Return the picture's PNG file, `text` in it as "parameters" unless None.

    Modes L, LA, RGB and RGBA are written here; all others by Pillow, and so is a picture that
    brings a color profile or a transparent color. zlib lets other threads go on meanwhile.
    Raises OSError for a mode that PNG does not have.
    """
    info = PngInfo()
    if text is not None:
        info.add_text("parameters", text)  # tEXt where latin-1 is enough, else iTXt
    file = BytesIO()
    if image.mode not in _COLORS or image.info.keys() & _OF_PILLOW:
        image.save(file, "PNG", pnginfo=info)
        return file.getvalue()
    file.write(_SIGNATURE)
    header = struct.pack(">IIBBBBB", *image.size, 8, _COLORS[image.mode], 0, 0, 0)
    putchunk(file, b"IHDR", header)
    for kind, data, _ in info.chunks:
        putchunk(file, kind, data)
    putchunk(file, b"IDAT", _pixels(image))
    putchunk(file, b"IEND")
    return file.getvalue()


def _pixels(image: Image) -> bytes:
    """Filter and deflate the picture's rows, in the way that suits a sample of them best."""
    height, depth = image.height, len(image.getbands())
    edged = np.zeros((height + 1, (image.width + 1) * depth), np.uint8)  # beyond the edges is 0
    edged[1:, depth:] = np.asarray(image).reshape(height, -1)

    def filtered(rows: int, every: int) -> Iterator[Bytes]:
        return (_filtered(edged[top : top + rows + 1], depth) for top in range(0, height, every))

    sample = list(filtered(_SLICE, max(_SLICE, height // _SLICES)))
    share = len(_deflated(sample, *_REPEATS)) / len(_deflated(sample, *_RUNS))
    how = _RUNS if share > _REPEATS_BELOW else _REPEATS if share > _THOROUGH_BELOW else _THOROUGH
    return _deflated(filtered(_BAND, _BAND), *how)


def _deflated(parts: Iterable[Bytes], level: int, strategy: int) -> bytes:
    deflater = zlib.compressobj(level, strategy=strategy)
    return b"".join([*(deflater.compress(part.data) for part in parts), deflater.flush()])


def _filtered(edged: Bytes, depth: int) -> Bytes:
    """Filter each row by the filter that leaves least, and put that one's number before it.

    `edged` is (1 + rows, depth + bytes of a row), the row above and the pixel to the left included;
    the answer is (rows, 1 + bytes of a row). "Least" is the sum of absolute differences, as in
    libpng and Pillow.
    """
    here, left = edged[1:, depth:], edged[1:, :-depth]
    above, corner = edged[:-1, depth:], edged[:-1, :-depth]
    average = (left & above) + ((left ^ above) >> 1)  # halved without a ninth bit
    predictions = {_UP: above, _AVERAGE: average, _PAETH: _paeth(left, above, corner)}
    rest = np.stack([here - each for each in predictions.values()])
    size = np.abs(rest.view(np.int8)).view(np.uint8)  # -128 stays, and is 128 as it should
    best = size.sum(axis=2, dtype=np.uint32).argmin(axis=0)
    rows = np.empty((len(here), 1 + here.shape[1]), np.uint8)
    rows[:, 0] = np.array(list(predictions), np.uint8)[best]
    rows[:, 1:] = rest[best, np.arange(len(here))]
    return rows


def _paeth(left: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """Return which of three neighbors is nearest to left + above - corner; all of one shape.

    In bytes alone, several times as fast as with a bit for the sign: a corner beyond both others is
    brought back to the nearer of them, which changes nothing in which of the three it is.
    """
    low, high = np.minimum(left, above), np.maximum(left, above)
    within = np.minimum(np.maximum(corner, low), high)  # np.clip takes five times as long
    to_left, to_above = _between(above, within), _between(left, within)
    to_corner = _between(to_left, to_above)
    other = _either(to_above <= to_corner, above, corner)
    return _either((to_left <= to_above) & (to_left <= to_corner), left, other)


def _between(a: Bytes, b: Bytes) -> Bytes:
    return np.maximum(a, b) - np.minimum(a, b)


def _either(so: NDArray[np.bool_], yes: Bytes, no: Bytes) -> Bytes:
    """Compute `np.where` by bits, in a tenth of its time."""
    return no ^ ((yes ^ no) & -so.view(np.uint8))
