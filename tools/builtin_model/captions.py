"""Sentences about scenes: many ways to say the same, in full or in part, never a false one."""

from random import Random

from . import landscape_captions, shape_captions
from .landscapes import Landscape
from .shapes import ShapeScene

OPENINGS = ("a picture of", "a drawing of", "an illustration of", "an image of", "a painting of")
FLOURISHES = ("highly detailed", "best quality", "masterpiece", "simple", "flat colors", "4k")
# A sentence that begins with its circumstances takes no opening before it.
FRONTED = ("on", "in", "at", "by", "with", "under", "while", "during")


def caption(scene: ShapeScene | Landscape, rng: Random) -> str:
    """One true sentence about the scene, chosen at random; it may leave things out."""
    if isinstance(scene, ShapeScene):
        body = shape_captions.described(scene, rng)
    else:
        body = landscape_captions.described(scene, rng)
    if rng.random() < 0.15 and body.split()[0] not in FRONTED:
        body = f"{rng.choice(OPENINGS)} {body}"
    if rng.random() < 0.06:
        body = f"{body}, {', '.join(rng.sample(FLOURISHES, 2))}"
    return body


def sentence(scene: ShapeScene | Landscape) -> str:
    """The one sentence that names everything nameable; scenes may share it and differ in detail."""
    if isinstance(scene, ShapeScene):
        return shape_captions.canonical(scene)
    return landscape_captions.canonical(scene)
