"""The request's schema: canonical names, limits, and options that the sampler must have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sdcli.request import GenerationRequest
from sdcli.request.fields import flags_of


def make(**values: Any) -> GenerationRequest:
    """A request with a seed, since every request needs one."""
    return GenerationRequest(**{"seed": 1, **values})


def refused(**values: Any) -> dict[str, str]:
    """What the schema says to these values: for each field at fault, the message and the hint."""
    with pytest.raises(ValidationError) as caught:
        make(**values)
    found = {}
    for detail in caught.value.errors():
        context = detail.get("ctx") or {}
        field = str(context.get("field") or detail["loc"][0])
        found[field] = f"{detail['msg']} {context.get('hint', '')}"
    return found


@pytest.mark.parametrize(
    ("typed", "scheduler", "sampler", "canonical"),
    [
        ("dpm++ 2m karras", "Automatic", "DPM++ 2M", "Automatic"),
        ("dpm++ 2m", "KARRAS", "DPM++ 2M", "Automatic"),
        ("DPM++ 2M Karras", "karras", "DPM++ 2M", "Automatic"),
        ("DPM++ 2M", "Uniform", "DPM++ 2M", "Uniform"),
        ("dpmpp_2m", "automatic", "DPM++ 2M", "Automatic"),
        ("dpm++ 2m exponential", "Automatic", "DPM++ 2M", "Exponential"),
        ("k_euler_a", "uniform", "Euler a", "Automatic"),
        ("EULER  A", "exp", "Euler a", "Exponential"),
        ("euler karras", "Automatic", "Euler", "Karras"),
    ],
)
def test_names_become_canonical(typed: str, scheduler: str, sampler: str, canonical: str) -> None:
    request = make(sampler=typed, scheduler=scheduler)
    assert (request.sampler, request.scheduler) == (sampler, canonical)


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"sampler": "Euler a", "eta": 1}, "eta"),
        ({"sampler": "Euler a", "eta": "1.0"}, "eta"),
        ({"sampler": "Euler a", "s_noise": 1.0}, "s_noise"),
        ({"sampler": "Heun", "s_churn": 0}, "s_churn"),
        ({"sampler": "Heun", "s_tmax": float("inf")}, "s_tmax"),
        ({"sampler": "Euler", "s_tmax": "inf"}, "s_tmax"),
        ({"sampler": "DPM++ 2M", "rho": "7"}, "rho"),
        ({"sampler": "Euler", "scheduler": "Karras", "rho": 7}, "rho"),
    ],
    ids=str,
)
def test_an_option_equal_to_its_default_is_none(values: dict[str, Any], option: str) -> None:
    """Also where it was typed as text, as every flag is."""
    assert getattr(make(**values), option) is None
    assert make(**values) == make(**{k: v for k, v in values.items() if k != option})


def test_another_value_of_an_option_is_kept() -> None:
    assert make(sampler="Euler a", eta="0.5").eta == 0.5
    assert make(rho=5).schedule_options() == {"rho": 5.0}
    churned = make(sampler="Heun", s_churn=3, s_tmin=0.1, sigma_min=None)
    assert churned.solver_options() == {"s_churn": 3.0, "s_tmin": 0.1}
    assert churned.schedule_options() == {}


def test_equal_requests_compare_equal_however_they_were_typed() -> None:
    typed = make(
        sampler="dpm++ 2m karras", steps="20", cfg_scale="7", rng="NV", rho="7.0", seed="1"
    )
    assert typed == make()
    assert typed != make(scheduler="Uniform")


def test_a_request_is_frozen() -> None:
    with pytest.raises(ValidationError):
        make().steps = 3  # type: ignore[misc]


LIMITS = [
    *(("steps", value) for value in (0, 1001, -1, 2.5, "many", None)),
    *(("cfg_scale", value) for value in (-0.1, 100.1, float("nan"), float("inf"), "inf", "x")),
    *(("seed", value) for value in (-1, 2**64, "x")),
    *(("width", value) for value in (0, 56, 100, 16392, -64)),
    *(("height", value) for value in (0, 56, 100, 16392, 512.5)),
    *(("ensd", value) for value in (-1, 2**32)),
    *(("rng", value) for value in ("tpu", "", 1)),
    ("model", ""),
    *(("sampler", value) for value in ("Eular b c", "", 5)),
    *(("scheduler", value) for value in ("karas", "", None)),
    *((key, float("nan")) for key in ("eta", "s_churn", "s_tmin", "s_noise", "sigma_min", "rho")),
    *((key, -0.5) for key in ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "rho", "sigma_max")),
    *((key, 0) for key in ("s_noise", "s_tmax", "sigma_min", "sigma_max", "rho")),
    *((key, bad) for key in ("prompt", "negative_prompt") for bad in ("a\0b", "a\ud83d", 5)),
    ("stpes", 20),
]


def test_a_value_outside_its_limits_is_refused(subtests: pytest.Subtests) -> None:
    """And the error is laid at that field's door, no other's."""
    having = {"s_churn": "Heun", "s_tmin": "Heun", "s_tmax": "Heun"}
    stochastic = {"eta", "s_noise", "ensd"}
    for field, value in LIMITS:
        with subtests.test(f"{field}: {value!a}"):
            sampler = "Euler a" if field in stochastic else having.get(field, "DPM++ 2M")
            assert refused(**{"sampler": sampler, field: value}).keys() == {field}


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 1},
        {"steps": 1000},
        {"cfg_scale": 0},
        {"cfg_scale": 100},
        {"seed": 0},
        {"seed": 2**64 - 1},
        {"width": 64, "height": 16384},
        {"prompt": "\x01 \x85 \u2028 \U0001f98a"},
        {"sampler": "Euler a", "eta": 0},
        {"sampler": "Euler a", "ensd": 2**32 - 1},
    ],
    ids=str,
)
def test_the_limits_themselves_are_allowed(values: dict[str, Any]) -> None:
    assert make(**values).model_dump().items() >= values.items()


def test_the_seed_has_no_default() -> None:
    with pytest.raises(ValidationError, match="seed"):
        GenerationRequest()  # type: ignore[call-arg]


def test_all_fields_at_fault_are_told_at_once() -> None:
    assert refused(steps=0, cfg_scale="x", width=3, bogus=1).keys() == {
        *("steps", "cfg_scale", "width", "bogus")
    }


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"eta": 0.5}, "eta", "DPM++ 2M has no eta samplers that have it: DPM++ SDE, DPM++ 2M SDE"),
        ({"s_churn": 1}, "s_churn", "samplers that have it: Euler, Heun, DPM2"),
        ({"sampler": "Euler", "rho": 3}, "rho", "schedule Uniform has no rho"),
        ({"scheduler": "Exponential", "rho": 3}, "rho", "schedule Exponential has no rho"),
        ({"scheduler": "Uniform", "sigma_min": 1}, "sigma_min", "Uniform has no sigma_min"),
        ({"sigma_min": 2, "sigma_max": 1}, "sigma_min", "below sigma_max"),
        ({"sigma_min": 2, "sigma_max": 2}, "sigma_min", "below sigma_max"),
        ({"ensd": 31337}, "ensd", "draws no noise after the first"),
        ({"sampler": "Euler a", "eta": 0, "ensd": 5}, "ensd", "draws no noise"),
        ({"sampler": "DPM++ SDE", "ensd": 5}, "ensd", "a path that belongs to the seed"),
        ({"sampler": "DDIM", "steps": 1}, "steps", "needs at least 2 steps"),
        ({"sampler": "Euler a 2"}, "sampler", "'Euler a'"),
        ({"scheduler": "Karas"}, "scheduler", "did you mean 'Karras'"),
        (
            {"sampler": "DPM++ 2M Karras", "scheduler": "Exponential"},
            "sampler",
            "already names the schedule Karras, not Exponential use sampler 'DPM++ 2M'",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(
    values: dict[str, Any], field: str, says: str
) -> None:
    said = refused(**values)
    assert said.keys() == {field}
    assert says in said[field]


@pytest.mark.parametrize(
    ("values", "draws"),
    [
        ({}, False),
        ({"sampler": "Euler"}, False),
        ({"sampler": "Euler", "s_churn": 1}, True),
        ({"sampler": "Euler a"}, True),
        ({"sampler": "Euler a", "eta": 0}, False),
        ({"sampler": "DDIM"}, False),
        ({"sampler": "DDIM", "eta": 1}, True),
        ({"sampler": "LCM"}, True),
        ({"sampler": "DPM++ SDE"}, False),
    ],
    ids=str,
)
def test_obeys_ensd(values: dict[str, Any], draws: bool) -> None:
    assert make(**values).obeys_ensd is draws


def test_ensd_is_allowed_where_churn_draws_noise() -> None:
    assert make(sampler="Heun", s_churn=2, ensd=31337).ensd == 31337


def test_every_field_has_one_flag_and_no_two_flags_clash() -> None:
    assert list(flags_of(GenerationRequest)) == list(GenerationRequest.model_fields)
    names = [name for flag in flags_of(GenerationRequest).values() for name in flag.names]
    assert len(set(names)) == len(names)
