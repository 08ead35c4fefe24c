"""Scenes by number: each seed is one picture with its captions, and a fixed part is held out."""

import hashlib
from random import Random

from PIL import Image

from .captions import caption, sentence
from .landscapes import Landscape, invent_landscape
from .outdoors import paint_landscape
from .shapes import ShapeScene, invent_shapes, paint_shapes

Scene = ShapeScene | Landscape

HELD_OUT_SHARE = 0.05

__all__ = [
    "Landscape", "Scene", "ShapeScene", "caption", "draw", "invent", "is_held_out", "sentence",
    "training_caption",
]  # fmt: skip


def invent(seed: int) -> Scene:
    """The scene with this number: the same one on every machine."""
    rng = Random(seed)
    return invent_shapes(rng) if rng.random() < 0.45 else invent_landscape(rng)


def draw(scene: Scene) -> Image.Image:
    """The scene's picture."""
    painted = paint_shapes(scene) if isinstance(scene, ShapeScene) else paint_landscape(scene)
    return painted.finish()


def is_held_out(text: str) -> bool:
    """Whether training must never see this sentence; decided by the sentence alone."""
    digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT_SHARE * 2**64


def training_caption(scene: Scene, rng: Random) -> str:
    """A random caption of the scene that is not held out."""
    while is_held_out(text := caption(scene, rng)):
        continue
    return text
