"""The rows of saving: a picture like a photograph becomes a PNG, beside Pillow's default."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from .clock import clocked
from .race import OURS, THEIRS, Column, LeftOut, Row, Sample

_SIZE = 1024


def rows(_: argparse.Namespace) -> Iterator[Row | LeftOut]:
    """The time, and the file's size. diffusers has its pictures saved by Pillow."""
    from benchmarks.png import WAYS, photo

    image = photo(_SIZE)
    ways = {OURS: WAYS["sdcli"], THEIRS: WAYS["Pillow"]}
    times: dict[str, Column] = {
        who: lambda way=way: clocked(lambda: way(image))  # type: ignore[misc]
        for who, way in ways.items()
    }
    sizes: dict[str, Column] = {
        who: lambda way=way: Sample(len(way(image)))  # type: ignore[misc]
        for who, way in ways.items()
    }
    name = f"save, photo-like {_SIZE}² PNG"
    yield Row(name, "ms", times)
    yield Row(f"{name}: file", "KiB", sizes, warm=False, most=1)
