"""The prompt language on the shipped model: weights, edits and long prompts are seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sdcli.engine import Engine
from sdcli.models.tokenizers.clip import tokenizer_of
from sdcli.request import GenerationRequest

pytestmark = pytest.mark.slow

SEEDS = range(6)


def pictures(engine: Engine, prompt: str, **changes: object) -> np.ndarray:
    """One of each seed."""
    values = {"cfg_scale": 5, "steps": 12} | changes
    run = engine.start([GenerationRequest(prompt=prompt, seed=seed, **values) for seed in SEEDS])
    for _ in run:
        pass
    return np.stack([np.asarray(picture.image, np.int16) for picture in run.pictures()])


def red(shown: np.ndarray) -> float:
    """The share of pixels that are redder than anything else."""
    r, g, b = np.moveaxis(shown, -1, 0)
    return float(((r > g + 60) & (r > b + 60)).mean())


def test_a_colours_weight_moves_its_area(builtin: Engine) -> None:
    areas = [
        red(pictures(builtin, f"(a red circle:{weight}) on a blue background", cfg_scale=3))
        for weight in (0.5, 0.8, 1, 1.2, 1.5)
    ]
    for less, more in pairwise(areas):
        assert more > 1.05 * less > 0


def test_an_edited_prompt_makes_neither_picture(builtin: Engine) -> None:
    first, second = "a red circle", "a blue square"
    edited = pictures(builtin, f"[{first}:{second}:0.5]")
    for prompt in (first, second):
        assert np.abs(edited - pictures(builtin, prompt)).mean() > 4


def test_the_last_word_of_a_long_prompt_counts(builtin: Engine) -> None:
    words = "a red circle on a blue background, " * 25
    assert len(tokenizer_of(builtin.model).ids(words)) >= 190
    one, other = (pictures(builtin, f"{words}{last}") for last in ("yellow", "purple"))
    assert (np.abs(one - other).reshape(len(one), -1).max(axis=1) > 0).all()
