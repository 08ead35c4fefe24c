"""Where a picture enters a run: A1111's arithmetic, sampler by sampler."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sdcli.sampling import SAMPLERS, Sampler, resolve
from sdcli.sampling.img2img import entered, steps_left
from sdcli.sampling.noise_tables import scaled_linear

TABLE = scaled_linear()
STRENGTHS = (0.1, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("strength", "intervals"), [(0.0, 0), (0.1, 3), (0.5, 11), (0.75, 16), (1.0, 20)]
)
def test_known_answers(strength: float, intervals: int) -> None:
    """Of 20 steps, as A1111 counts them."""
    tail = entered(resolve("Euler"), 20, strength, table=TABLE)
    whole = resolve("Euler").sigmas(20)
    assert len(tail.sigmas) == (intervals + 1 if intervals else 0)
    assert tail.sigmas == (whole[20 - intervals :] if intervals else ())
    assert tail.noise == (tail.sigmas[0] if intervals else 0)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("steps", [1, 7, 20])
def test_with_full_steps_all_of_them_are_made(steps: int, strength: float) -> None:
    tail = entered(resolve("Euler Karras"), steps, strength, full=True, table=TABLE)
    assert len(tail.sigmas) == steps + 1
    count, place = steps_left(steps, strength, full=True)
    assert (count, place) == (int(steps / min(strength, 0.999)), steps - 1)


def test_ddim_begins_one_timestep_below_its_noise() -> None:
    """Noise of timestep 751, calls at 701 … 51, as A1111 has it."""
    tail = entered(resolve("DDIM"), 20, 0.75, table=TABLE)
    assert tail.noise == TABLE.sigmas[751]
    assert tail.sigmas == tuple(TABLE.sigmas[t] for t in range(701, 0, -50))
    asked = [sigma for step in resolve("DDIM").trace(tail.sigmas) for sigma in step.calls]
    assert asked == [TABLE.sigmas[t] for t in range(701, 1, -50)]


def test_unipc_takes_even_steps_of_time_from_where_ddim_would_begin() -> None:
    tail = entered(resolve("UniPC"), 20, 0.75, table=TABLE)
    assert tail.noise == TABLE.sigmas[751]
    assert len(tail.sigmas) == 16
    assert tail.sigmas[0] == pytest.approx(TABLE.sigmas[701], rel=1e-5)
    assert tail.sigmas[-1] == pytest.approx(resolve("UniPC").sigmas(20)[-1])


def test_dpm_fast_has_the_ends_of_the_uniform_schedules_tail() -> None:
    uniform = resolve("Euler").sigmas(20)
    for name in ("DPM fast", "DPM adaptive"):
        tail = entered(resolve(name), 20, 0.5, table=TABLE)
        assert tail.sigmas[0] == tail.noise == pytest.approx(uniform[9])
        assert tail.sigmas[-1] == pytest.approx(uniform[19])
        assert len(tail.sigmas) == 12


def test_a_picture_of_unit_variance_gets_its_noise_of_unit_variance() -> None:
    """In units of the solver: √ᾱ·picture + √(1 − ᾱ)·noise at the noise's own timestep."""
    row = resolve("DDIM")
    tail = entered(row, 20, 0.75, table=TABLE)
    picture, noise = (
        scale / math.hypot(1, tail.sigmas[0])
        for scale in row.picture_scales(tail.sigmas[0], tail.noise)
    )
    assert picture**2 + noise**2 == pytest.approx(1)
    assert noise / picture == pytest.approx(TABLE.sigmas[751])
    row = resolve("Euler")
    plain = entered(row, 20, 0.75, table=TABLE)
    assert row.picture_scales(plain.sigmas[0], plain.noise) == (1.0, plain.sigmas[0])


@pytest.mark.parametrize("row", SAMPLERS, ids=lambda row: row.name)
def test_every_sampler_has_a_tail(row: Sampler, subtests: pytest.Subtests) -> None:
    """It falls, lies in the run without a picture, and is longer for a greater strength."""
    assert not entered(row, 20, 0.0, table=TABLE).sigmas
    for strength in STRENGTHS:
        with subtests.test(strength=strength):
            tail = entered(row, 20, strength, table=TABLE)
            assert all(one > other for one, other in pairwise(tail.sigmas))
            assert tail.sigmas[0] <= tail.whole[0] * (1 + 1e-6)
            assert tail.noise >= tail.sigmas[0] * (1 - 1e-6)
            more = entered(row, 20, min(1, strength + 0.2), table=TABLE)
            assert more.sigmas[0] >= tail.sigmas[0]
