"""The drawn training set: scene numbers, their captions, and their pictures in cached arrays."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from .canvas import SIDE
from .scenes import ShapeScene, draw, invent, is_held_out, sentence, training_caption

Pictures = NDArray[np.uint8]  # (N, 3, 128, 128)
CHUNK = 500


def scene_numbers(count: int, *, held_out: bool) -> list[int]:
    """The first scenes on one side of the split."""
    numbers: list[int] = []
    number = 0
    while len(numbers) < count:
        if is_held_out(sentence(invent(number))) is held_out:
            numbers.append(number)
        number += 1
    return numbers


def figure_numbers(count: int, *, after: int) -> list[int]:
    """The next scenes of figures that are not held out."""
    numbers: list[int] = []
    number = after
    while len(numbers) < count:
        number += 1
        scene = invent(number)
        if isinstance(scene, ShapeScene) and not is_held_out(sentence(scene)):
            numbers.append(number)
    return numbers


def caption_of(number: int, rng: Random) -> str:
    """A fresh training caption of one scene."""
    return training_caption(invent(number), rng)


def shows_figures(number: int) -> bool:
    """Whether the scene is one of geometric figures."""
    return isinstance(invent(number), ShapeScene)


def shows_single(number: int) -> bool:
    """Whether the scene is one figure on a plain colour."""
    scene = invent(number)
    return (
        isinstance(scene, ShapeScene) and len(scene.figures) == 1 and scene.backdrop.second is None
    )


def shows_pair(number: int) -> bool:
    """Whether the scene is two figures and where they are."""
    scene = invent(number)
    return isinstance(scene, ShapeScene) and scene.relation is not None


def in_chunks(numbers: list[int]) -> Iterator[Pictures]:
    """The scenes' pictures, chunk by chunk, drawn by all processors."""
    chunks = [numbers[i : i + CHUNK] for i in range(0, len(numbers), CHUNK)]
    with ProcessPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(drawn, chunks)


def cached(path: Path, numbers: list[int]) -> Pictures:
    """The scenes' pictures, drawn once and memory-mapped from then on."""
    if not path.exists():
        draft = path.with_suffix(".draft.npy")
        shape = (len(numbers), 3, SIDE, SIDE)
        store = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
        for i, batch in enumerate(in_chunks(numbers)):
            store[i * CHUNK : i * CHUNK + len(batch)] = batch
        store.flush()
        os.replace(draft, path)  # noqa: PTH105 - the point is the atomic replacement
    pictures: Pictures = np.load(path, mmap_mode="r")
    return pictures


def drawn(numbers: list[int]) -> Pictures:
    """The scenes' pictures, in memory."""
    return np.stack([np.asarray(draw(invent(n))).transpose(2, 0, 1) for n in numbers])
