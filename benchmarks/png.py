"""Times how a finished picture becomes a PNG: sdcli beside Pillow's default and its level 1.

    python -m benchmarks.png [--repeats 15] [--json]

All ways take each picture in turn (A B C A B C …); medians. "Photo-like" is noise as clouds have
it, much the same in all channels, with grain; the model's is a picture of the one that ships, as it
came and enlarged by Lanczos.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sdcli.images.png import write_png

OF_THE_MODEL = Path(__file__).parents[1] / "docs/house.png"


def _by_pillow(image: Image.Image, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


WAYS: dict[str, Callable[[Image.Image], bytes]] = {
    "sdcli": lambda image: write_png(image, None),
    "Pillow": _by_pillow,
    "Pillow, level 1": lambda image: _by_pillow(image, compress_level=1),
}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = {name: _measured(image, options.repeats) for name, image in _pictures().items()}
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'ms / KiB':<26}" + "".join(f"{way:>18}" for way in WAYS) + f"{'against Pillow':>24}")
    for name, row in rows.items():
        cells = "".join(f"{ms:>10.1f} /{size:>6.0f}" for ms, size in row.values())
        (ours, small), (theirs, large) = row["sdcli"], row["Pillow"]
        verdict = f"{theirs / ours:.1f} × as fast, {small / large:.0%}"
        print(f"{name:<26}{cells}{verdict:>24}")


def _measured(image: Image.Image, repeats: int) -> dict[str, tuple[float, float]]:
    """Milliseconds and KiB of each way."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    sizes = {}
    for repeat in range(repeats + 1):
        for way, encode in WAYS.items():
            start = time.perf_counter()
            data = encode(image)
            if repeat:  # the first one warms up
                times[way].append((time.perf_counter() - start) * 1e3)
            sizes[way] = len(data) / 1024
    return {way: (statistics.median(times[way]), sizes[way]) for way in WAYS}


def _pictures() -> dict[str, Image.Image]:
    with Image.open(OF_THE_MODEL) as image:
        models = image.convert("RGB")
    return {
        "photo-like, 512²": photo(512),
        "photo-like, 1024²": photo(1024),
        "flat shapes, 1024²": _shapes(1024),
        "gradient, 1024²": _gradient(1024),
        "the model's, 128²": models,
        "the model's, to 1024²": models.resize((1024, 1024), Image.Resampling.LANCZOS),
    }


def photo(size: int) -> Image.Image:
    """Clouds with grain."""
    random = np.random.default_rng(0)
    rate = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    rate[0, 0] = np.inf
    waves = random.normal(size=(4, *rate.shape, 2)).view(complex)[..., 0] / rate**1.5
    clouds = np.fft.irfft2(waves, (size, size))
    clouds /= clouds.std()
    alike = 0.9 * clouds[:1] + 0.4 * clouds[1:]
    grainy = 128 + 40 * alike + 3.7 * random.normal(size=alike.shape)
    return Image.fromarray(np.moveaxis(grainy.round().clip(0, 255).astype(np.uint8), 0, -1))


def _shapes(size: int) -> Image.Image:
    random = np.random.default_rng(0)
    image = Image.new("RGB", (size, size), "skyblue")
    pen = ImageDraw.Draw(image)
    for x, y, radius, *colour in random.integers(0, 256, (30, 6)).tolist():
        x, y, radius = (size * part // 256 for part in (x, y, 12 + radius // 5))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour))
    return image


def _gradient(size: int) -> Image.Image:
    y, x = np.mgrid[:size, :size] / size
    return Image.fromarray((255 * np.stack([x, y, (x + y) / 2], axis=-1)).astype(np.uint8))


if __name__ == "__main__":
    main()
