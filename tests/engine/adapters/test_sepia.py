"""A LoRA that was trained on the shipped model: what it is for is seen, and more of it is more."""

from __future__ import annotations

import numpy as np
import pytest
from repository import SEPIA

from sdcli.engine import Engine
from sdcli.request import GenerationRequest

pytestmark = pytest.mark.slow

PROMPTS = (
    "a red house in the snow at night",
    "a boat by the sea at sunset",
    "a large blue circle on a green background",
    "green trees on a meadow by day",
)


def pictures(engine: Engine, tags: str) -> np.ndarray:
    """One of each prompt, with these tags in it."""
    run = engine.start(
        [
            GenerationRequest(prompt=prompt + tags, cfg_scale=5, seed=seed)
            for seed, prompt in enumerate(PROMPTS)
        ]
    )
    for _ in run:
        pass
    return np.stack([np.asarray(picture.image, np.float64) for picture in run.pictures()])


def colourfulness(shown: np.ndarray) -> float:
    """How far red, green and blue lie apart once the paper's own tone is taken off."""
    plain = shown / np.array([255, 235, 200])
    return float((plain.max(axis=-1) - plain.min(axis=-1)).mean())


def test_it_is_small() -> None:
    assert SEPIA.stat().st_size <= 2 * 2**20


def test_more_of_it_is_more(builtin: Engine) -> None:
    """Colours fade from strength to strength, until they are nearly gone."""
    seen = [colourfulness(pictures(builtin, f"<lora:{SEPIA}:{s}>")) for s in (0, 0.5, 1)]
    assert seen[0] > 1.2 * seen[1] > 1.2 * 1.2 * seen[2]
    assert seen[2] < seen[0] / 3


def test_two_halves_are_one(builtin: Engine) -> None:
    half = f"<lora:{SEPIA}:0.5>"
    difference = pictures(builtin, half + half) - pictures(builtin, f"<lora:{SEPIA}:1>")
    assert np.abs(difference).max() <= 2


def test_without_it_the_pictures_are_the_old_ones(builtin: Engine) -> None:
    before = pictures(builtin, "")
    assert not np.array_equal(pictures(builtin, f"<lora:{SEPIA}:1>"), before)
    assert np.array_equal(pictures(builtin, ""), before)
