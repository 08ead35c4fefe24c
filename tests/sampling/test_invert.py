"""Inversion on plain floats: a deterministic run undone, and the requests that cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError
from toys import gaussian, no_noise

from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.sampling import SAMPLERS, resolve
from sdcli.sampling.solvers import invert as inversion

SPREAD = 0.7


def returned(name: str, refinements: int, *, steps: int = 20) -> float:
    """How far a run ends from where it ended, if its picture is inverted and made again."""
    row = resolve(name)
    sigmas = row.sigmas(steps)
    scale = math.hypot(1, sigmas[-1]) if row.unit_start else 1.0

    def end(start: float) -> float:
        *_, last = row.solve(gaussian(SPREAD), start, sigmas, no_noise)
        return scale * last

    back = inversion.invert(
        gaussian(SPREAD), end(9.0), sigmas, order=row.order, refinements=refinements
    )
    *_, start = back
    return abs(end(start) - end(9.0)) / SPREAD


@pytest.mark.parametrize("name", ["Euler", "Euler Karras", "DDIM"])
def test_euler_steps_are_undone_exactly(name: str) -> None:
    """Up to how far their starts are refined; not at all, it is the inversion of DDIM."""
    none, some, many = (returned(name, refinements) for refinements in (0, 3, 60))
    assert none > 0.1
    assert some < 0.02
    assert many < 1e-12


@pytest.mark.parametrize("name", ["Heun", "DPM2", "DPM++ 2M", "DPM++ 2M Karras", "LMS"])
def test_better_solvers_are_undone_to_their_own_order(name: str) -> None:
    assert returned(name, 3, steps=20) < 0.02
    assert returned(name, 3, steps=80) < returned(name, 3, steps=20) / 4


@pytest.mark.parametrize("order", [1, 2])
def test_model_calls_are_as_declared(order: int) -> None:
    asked: list[float] = []

    def denoise(x: float, sigma: float, /) -> float:
        asked.append(sigma)
        return 0.0

    sigmas = resolve("Euler").sigmas(7)
    assert len(list(inversion.invert(denoise, 1.0, sigmas, order=order))) == 7
    assert len(asked) == inversion.evaluations(sigmas, order=order)
    assert set(asked) == set(sigmas) - {0.0}


@pytest.mark.parametrize("row", SAMPLERS, ids=lambda row: row.name)
def test_a_run_is_inverted_or_refused(row: Any) -> None:
    values = {"prompt": "a", "seed": 1, "sampler": row.name, "init_img": "a.png", "invert": True}
    if row.stochastic or row.ends_only or row.unguided:
        with pytest.raises(ValidationError, match="cannot be inverted"):
            GenerationRequest(**values)
    else:
        assert GenerationRequest(**values).invert


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"invert": True}, "no picture to invert"),
        ({"invert_prompt": "a fox"}, "has no effect"),
        (
            {"invert": True, "init_img": "a.png", "sampler": "Euler", "s_churn": 3},
            "adds noise at each step",
        ),
        ({"invert": True, "init_img": "a.png", "sampler": "DDIM", "eta": 1}, "adds noise"),
        ({"invert": True, "init_img": "a.png", "prompt": "a AND b"}, "needs one plain prompt"),
        ({"invert": True, "init_img": "a.png", "prompt": "[a:b:3]"}, "needs one plain prompt"),
        ({"invert": True, "init_img": "a.png", "invert_prompt": "<lora:x:1>"}, "put LoRAs into"),
    ],
)
def test_what_does_not_go_together_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GenerationRequest(**({"prompt": "a", "seed": 1} | values))


@pytest.mark.parametrize("shown", [None, "", 'a fox: red, "old"', " blanks "])
@pytest.mark.parametrize("path", ["a.png", "my pictures/a, b.png", " odd "])
def test_the_text_tells_of_it(shown: str | None, path: str) -> None:
    request = GenerationRequest(
        prompt="a", seed=1, sampler="DDIM", init_img=path, invert=True, invert_prompt=shown
    )
    values, rest = to_values(read_text(write_text(request)))
    assert GenerationRequest(**values) == request
    assert not rest


def test_the_inverse_of_ddim_is_named_where_it_is_asked_for() -> None:
    with pytest.raises(Exception, match="turns a picture into noise") as caught:
        resolve("DDIMInverseScheduler")
    assert "--invert" in caught.value.hint  # type: ignore[attr-defined]
