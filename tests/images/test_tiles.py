"""Tiles of a large picture: that they cover it, overlap, and leave no seams."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdcli.images.tiles import Tiling


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    tile = (8 * draw(st.integers(2, 12)), 8 * draw(st.integers(2, 12)))
    overlap = draw(st.integers(0, min(tile) // 2))
    size = (draw(st.integers(tile[0], 300)), draw(st.integers(tile[1], 300)))
    return Tiling(size, tile, overlap)


@given(tilings())
def test_tiles_cover_the_picture_and_overlap(tiling: Tiling) -> None:
    ways = zip((tiling.columns, tiling.rows), tiling.size, tiling.tile, strict=True)
    for edges, length, side in ways:
        assert edges[0] == 0
        assert edges[-1] == length - side
        for first, second in pairwise(edges):
            assert first < second <= first + side - tiling.overlap + 1


@pytest.mark.parametrize(
    ("length", "edges"), [(512, [0]), (1024, [0, 256, 512]), (960, [0, 448]), (520, [0, 8])]
)
def test_a1111s_places(length: int, edges: list[int]) -> None:
    assert Tiling((length, 512), (512, 512), 64).columns == edges


@given(tilings())
def test_a_picture_comes_back_from_its_tiles(tiling: Tiling) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (*tiling.size[::-1], 3)).astype(np.uint8)
    image = Image.fromarray(levels)
    found = np.asarray(tiling.joined(tiling.cut(image)), int)
    assert np.abs(found - levels).max() <= 1


def test_where_tiles_differ_one_fades_into_the_other() -> None:
    tiling = Tiling((112, 64), (64, 64), 16)
    found = np.asarray(tiling.joined([Image.new("RGB", (64, 64), c) for c in ("black", "white")]))
    row = found[30, :, 0].astype(int)
    assert (row[:48] == 0).all()
    assert (row[64:] == 255).all()
    assert np.abs(np.diff(row)).max() <= 18
