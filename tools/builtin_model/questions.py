"""What the finished model is asked: prompts that training never used, and what must be right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Generic, TypeVar

from .landscapes import Landscape
from .scenes import ShapeScene, invent, is_held_out, sentence

FIRST_SCENE = 1_000_000  # training takes the first numbers

Kind = TypeVar("Kind", ShapeScene, Landscape)


@dataclass(frozen=True)
class Question(Generic[Kind]):
    """A prompt and the scene that it describes in full."""

    prompt: str
    scene: Kind


def one_figure(number: int) -> list[Question[ShapeScene]]:
    """One figure on a plain background."""
    return _questions(ShapeScene, number, lambda scene: len(scene.figures) == 1 and _plain(scene))


def two_figures(number: int) -> list[Question[ShapeScene]]:
    """Two figures on a plain background, one left of or above the other."""
    return _questions(
        ShapeScene,
        number,
        lambda scene: scene.relation in ("left of", "above") and _plain(scene),
    )


def landscapes(number: int) -> list[Question[Landscape]]:
    """Any landscape."""
    return _questions(Landscape, number, lambda _: True)


def _plain(scene: ShapeScene) -> bool:
    return scene.backdrop.second is None


def _questions(
    kind: type[Kind], number: int, wanted: Callable[[Kind], bool]
) -> list[Question[Kind]]:
    return list(islice((q for q in _held_out(kind) if wanted(q.scene)), number))


def _held_out(kind: type[Kind]) -> Iterator[Question[Kind]]:
    """Scenes whose full sentence training has never used, in order of their numbers."""
    for number in count(FIRST_SCENE):
        scene = invent(number)
        if isinstance(scene, kind) and is_held_out(prompt := sentence(scene)):
            yield Question(prompt, scene)
