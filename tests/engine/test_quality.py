"""A reduced evaluation of the shipped model: no change of the engine may silently spoil pictures.

The limits lie a few pictures below what the model reached when it was made; its card has the whole
evaluation. Seeds are fixed, so a run gives the same pictures every time.
"""

from pathlib import Path

import pytest

import sdcli
from sdcli import Engine
from tools.builtin_model import measures, questions
from tools.builtin_model.landscape_reading import LandscapeReader

pytestmark = pytest.mark.slow


def test_a_figure_has_its_shape_and_colours(builtin: Engine) -> None:
    shares = measures.one_figure(builtin, questions.one_figure(24))
    assert shares.shape >= 19 / 24
    assert shares.colour >= 22 / 24
    assert shares.background >= 23 / 24


def test_two_figures_have_their_colours_on_their_sides(builtin: Engine) -> None:
    assert measures.two_figures(builtin, questions.two_figures(24)) >= 17 / 24


def test_landscapes_have_their_time_and_terrain(builtin: Engine) -> None:
    seen = measures.landscapes(builtin, questions.landscapes(16), LandscapeReader.fitted(1500))
    assert seen.both >= 13 / 16


def test_the_autoencoder_keeps_what_it_is_given() -> None:
    assert measures.reconstruction(Path(sdcli.__file__).parent / "builtin", 16) >= 31
