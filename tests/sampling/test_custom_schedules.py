"""Noise levels that a person lists: how they are read, what they exclude, and that they travel."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.request.validate import validate
from sdcli.sampling.noise_tables import scaled_linear
from sdcli.sampling.schedules.custom import parse_sigmas, parse_timesteps, respaced
from sdcli.sources.layers import Layer, merge

TABLE = scaled_linear()


def test_sigmas_end_in_a_zero_that_may_be_left_out() -> None:
    assert parse_sigmas("14.6, 3,0.5") == parse_sigmas("14.6,3,.5,0") == (14.6, 3.0, 0.5, 0.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("14,x", "not a list of numbers"),
        ("", "not a list of numbers"),
        ("1,2", "2 comes after 1"),
        ("3,3", "3 comes after 3"),
        ("3,-1", "from 0 up"),
        ("inf,1", "from 0 up"),
        ("0", "first above 0"),
    ],
)
def test_wrong_lists_say_why(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sigmas(text)
    assert says in str(caught.value)


def test_sections_share_the_range_and_stride_evenly() -> None:
    """1000 = 334 + 333 + 333 timesteps; both ends of each section are taken."""
    timesteps = parse_timesteps("sections:10,15,20")
    assert len(timesteps) == 45
    low, middle, high = timesteps[-10:], timesteps[20:-10], timesteps[:20]
    assert (low[-1], low[0]) == (0, 333)
    assert (middle[-1], middle[0]) == (334, 666)
    assert (high[-1], high[0]) == (667, 999)
    assert low == tuple(37.0 * i for i in reversed(range(10)))


def test_a_section_gives_no_more_than_it_has() -> None:
    assert respaced([1000]) == tuple(float(t) for t in reversed(range(1000)))
    assert respaced([1, 1]) == (500.0, 0.0)
    with pytest.raises(UsageError, match="cannot give 600"):
        respaced([600, 600])


def test_timesteps_become_the_models_sigmas() -> None:
    request = GenerationRequest(seed=1, timesteps="999,500,0", steps=3)
    assert request.levels(TABLE) == (*map(TABLE.sigma, (999, 500, 0)), 0.0)


def test_the_number_of_steps_follows() -> None:
    assert GenerationRequest(seed=1, sigmas="9,3,1").steps == 3
    assert GenerationRequest(seed=1, timesteps="900,300").steps == 2


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sigmas": "9,3", "steps": 20}, "2 sigmas are listed"),
        ({"sigmas": "9,3", "timesteps": "900,10"}, "cannot both"),
        ({"sigmas": "9,3", "sampler": "Euler", "scheduler": "Karras"}, "schedule Karras"),
        ({"sigmas": "9,3", "sigma_min": 0.1}, "listed noise levels have no sigma_min"),
        ({"sigmas": "9,3", "sampler": "DPM adaptive"}, "chooses its own"),
        ({"timesteps": "1000,3"}, "above 999"),
    ],
)
def test_what_a_list_excludes_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        GenerationRequest(seed=1, **values)


@pytest.mark.parametrize("listed", [{"sigmas": "14.6,3.25,0.1"}, {"timesteps": "sections:2,3"}])
def test_lists_travel_in_the_pictures_text(listed: dict[str, Any]) -> None:
    request = GenerationRequest(seed=1, prompt="a fox", width=64, height=64, **listed)
    values, rest = to_values(read_text(write_text(request)))
    assert rest == {}
    assert GenerationRequest(**values) == request
    assert GenerationRequest(**request.model_dump()) == request


def test_a_list_takes_the_place_of_a_schedule_below_it() -> None:
    below = Layer("config", {"steps": 30, "scheduler": "Karras", "sampler": "Euler", "rho": 5})
    merged = merge([below, Layer("", {"sigmas": "9,3", "seed": "1"})])
    built = validate(GenerationRequest, merged.values, merged)
    assert (built.steps, built.scheduler, built.rho) == (2, "Automatic", None)


def test_a_schedule_beside_a_list_is_an_error() -> None:
    merged = merge([Layer("", {"sigmas": "9,3", "seed": "1", "steps": "30"})])
    with pytest.raises(UsageError, match="--steps: 2 sigmas are listed"):
        validate(GenerationRequest, merged.values, merged)
