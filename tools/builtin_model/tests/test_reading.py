"""The checkers that judge the shipped model, themselves judged on pictures whose truth is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tools.builtin_model import questions, reading
from tools.builtin_model.landscape_reading import LandscapeReader
from tools.builtin_model.palette import COLOURS
from tools.builtin_model.scenes import draw, is_held_out, sentence

FIGURES = questions.one_figure(200)
PAIRS = questions.two_figures(100)
LANDSCAPES = questions.landscapes(200)


def untouched(picture: Image.Image) -> Image.Image:
    return picture


def worn(picture: Image.Image) -> Image.Image:
    """Blurred and grainy, as a small autoencoder leaves it."""
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8)), np.float64)
    grain = np.random.default_rng(1).normal(0, 8, pixels.shape)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("change", "least"), [(untouched, 0.99), (worn, 0.97)])
def test_figures_are_read_as_they_were_drawn(
    change: Callable[[Image.Image], Image.Image], least: float
) -> None:
    right = 0
    for question in FIGURES:
        scene, seen = question.scene, reading.read(change(draw(question.scene)))
        figure = scene.figures[0]
        right += seen == reading.Reading(scene.backdrop.colour, figure.colour, figure.shape)
    assert right / len(FIGURES) >= least


@pytest.mark.parametrize(("change", "least"), [(untouched, 0.99), (worn, 0.97)])
def test_both_sides_are_read_as_they_were_drawn(
    change: Callable[[Image.Image], Image.Image], least: float
) -> None:
    right = 0
    for question in PAIRS:
        scene = question.scene
        picture = change(draw(scene))
        seen = reading.read_halves(picture, stacked=scene.relation == "above")
        right += seen == tuple(figure.colour for figure in scene.figures)
    assert right / len(PAIRS) >= least


def test_landscapes_are_read_as_they_were_drawn() -> None:
    seen = LandscapeReader.fitted(1500).read(draw(question.scene) for question in LANDSCAPES)
    truth = [(question.scene.time, question.scene.terrain) for question in LANDSCAPES]
    right = sum(a == b for a, b in zip(seen, truth, strict=True))
    assert right / len(truth) >= 0.97


@pytest.mark.parametrize("colour", COLOURS)
def test_an_empty_page_has_no_figure(colour: str) -> None:
    page = Image.new("RGB", (128, 128), COLOURS[colour])
    assert reading.read(page) == reading.Reading(colour, None, None)
    assert reading.read_halves(page, stacked=False) == (None, None)


def test_the_model_is_asked_only_what_training_never_said() -> None:
    questions: list[Any] = [*FIGURES, *PAIRS, *LANDSCAPES]
    for question in questions:
        assert question.prompt == sentence(question.scene)
        assert is_held_out(question.prompt)
