"""Schedules and the training table: A1111's own numbers, and what every schedule promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from sdcli.errors import UsageError
from sdcli.sampling import SCHEDULES, Schedule, resolve, resolve_schedule
from sdcli.sampling.noise_tables import f32, linear, linspace32, scaled_linear, squared_cosine
from sdcli.sampling.schedules.beta import incomplete_beta, inverse_incomplete_beta
from sdcli.sampling.schedules.optimized import ALIGNED_32

ROWS = [pytest.param(row, id=row.name) for row in SCHEDULES]
TABLE = scaled_linear()

KNOWN_10 = {  # computed by running A1111's formulas in torch, n = 10
    "Uniform": "14.6146 7.83988 4.60917 2.91831 1.95016 1.34493 0.932358 0.624977 0.368658 "
    "0.0291675 0",
    "Karras": "14.6146 9.10293 5.4784 3.16861 1.74942 0.914077 0.446921 0.2014 0.0819111 "
    "0.0291675 0",
    "Exponential": "14.6146 7.32488 3.67124 1.84003 0.922227 0.462222 0.231666 0.116111 "
    "0.0581952 0.0291675 0",
    "Polyexponential": "14.6146 7.32488 3.67124 1.84003 0.922227 0.462222 0.231666 0.116111 "
    "0.0581952 0.0291675 0",
    "SGM Uniform": "14.6146 8.30717 5.09241 3.32507 2.27973 1.61558 1.16286 0.831884 0.571189 "
    "0.343705 0",
    "KL Optimal": "14.6146 4.56504 2.63289 1.78645 1.29477 0.961588 0.711627 0.50942 0.335638 "
    "0.178347 0.0291675",
    "Align Your Steps": "14.615 6.11351 3.56511 2.39387 1.64996 1.13579 0.742518 0.445007 "
    "0.169205 0.029 0",
    "Simple": "14.6146 8.3028 5.08776 3.32108 2.27646 1.61289 1.16058 0.82986 0.569285 0.341674 0",
    "Normal": "14.6146 7.83988 4.60917 2.91831 1.95016 1.34493 0.932358 0.624977 0.368658 "
    "0.0291675 0",
    "DDIM": "8.39069 5.13443 3.34776 2.29285 1.62369 1.16822 0.835653 0.57405 0.346187 0.0413145 0",
    "Beta": "14.6146 13.9278 12.491 10.5976 8.44244 6.20137 4.0462 2.15283 0.716024 0.0291675 0",
}
OTHERS_10 = {  # by their sources' own formulas in numpy, n = 10
    "Align Your Steps 32": "14.615 6.14615 3.56916 2.39387 1.64996 1.13579 0.742518 0.443498 "
    "0.165158 0.015 0",
    "Align Your Steps GITS": "14.615 4.31412 2.14241 1.02359 0.547939 0.301838 0.180089 0.113806 "
    "0.0950618 0.029 0",
    "Linear Quadratic": "14.6146 14.5416 14.4685 14.3954 14.3223 14.2493 13.6208 11.8817 9.03185 "
    "5.07128 0",
    "Turbo": "14.6146 8.3028 5.08776 3.32108 2.27646 1.61289 1.16058 0.82986 0.569285 0.341674 0",
}
ALIGNED_SDXL = "14.615 5.9634 3.33897 1.85505 1.10233 0.674959 0.431142 0.260621 0.122519 0.029 0"
KARRAS_20 = (
    "14.6146 11.7254 9.34021 7.38363 5.78942 4.49984 3.46475 2.64085 1.99092 1.48322 1.09079 "
    "0.790949 0.564725 0.396392 0.27304 0.184169 0.121342 0.0778608 0.0484819 0.0291675 0"
)


def floats(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def test_every_schedule_has_its_known_answer() -> None:
    assert KNOWN_10.keys() | OTHERS_10.keys() == {row.name for row in SCHEDULES}


def test_align_your_steps_depends_on_the_family() -> None:
    sdxl = replace(TABLE, lineage="sdxl")
    sigmas = resolve_schedule("AYS")(10, table=sdxl)
    assert sigmas == pytest.approx(floats(ALIGNED_SDXL), rel=1e-5)


@pytest.mark.parametrize("name", KNOWN_10)
def test_ten_steps_are_a1111s(name: str) -> None:
    sigmas = resolve_schedule(name)(10, table=TABLE)
    assert sigmas == pytest.approx(floats(KNOWN_10[name]), rel=1e-5)


@pytest.mark.parametrize("name", OTHERS_10)
def test_ten_steps_are_those_of_the_program_that_has_them(name: str) -> None:
    sigmas = resolve_schedule(name)(10, table=TABLE)
    assert sigmas == pytest.approx(floats(OTHERS_10[name]), rel=1e-5)


def test_a_table_of_as_many_steps_is_taken_as_it_is() -> None:
    sigmas = resolve_schedule("AYS 32")(32, table=TABLE)
    assert sigmas == (*map(f32, ALIGNED_32["sd1"]), 0.0)


def test_turbos_four_steps_are_those_it_was_distilled_on() -> None:
    sigmas = resolve_schedule("Turbo")(4, table=TABLE)
    assert sigmas == (*(TABLE.sigmas[t] for t in (999, 749, 499, 249)), 0.0)


def test_twenty_karras_steps_are_a1111s() -> None:
    assert resolve("DPM++ 2M").sigmas(20) == pytest.approx(floats(KARRAS_20), rel=1e-5)


def test_the_old_karras_range_is_a_pair_of_options() -> None:
    old = "10 6.80216 4.5242 2.93412 1.8493 1.12818 0.662886 0.372822 0.199141 0.1 0"
    sigmas = resolve("Euler Karras").sigmas(10, sigma_min=0.1, sigma_max=10)
    assert sigmas == pytest.approx(floats(old), rel=1e-5)


@pytest.mark.parametrize("row", ROWS)
def test_every_schedule_falls(row: Schedule, subtests: pytest.Subtests) -> None:
    """From near the table's greatest σ to 0, in as many intervals as asked."""
    for steps in (1, 2, 3, 20, 250, 1000):
        with subtests.test(steps=steps):
            sigmas = row(steps, table=TABLE)
            assert len(sigmas) == steps + 1 - (row.name == "DDIM" and steps == 1000)
            assert all(high > low for high, low in itertools.pairwise(sigmas))
            assert sigmas[-1] == (TABLE.sigma_min if row.name == "KL Optimal" else 0)
            if row.name != "DDIM":
                assert sigmas[0] == pytest.approx(TABLE.sigma_max, rel=1e-4)


def test_ddim_has_more_steps_where_they_do_not_divide_the_table() -> None:
    assert len(resolve_schedule("DDIM")(30, table=TABLE)) == 32


@pytest.mark.parametrize("row", ROWS)
def test_every_sigma_is_a_float32(row: Schedule) -> None:
    assert all(sigma == f32(sigma) for sigma in row(33, table=TABLE))


@pytest.mark.parametrize("row", ROWS)
def test_its_range_is_an_option_where_it_has_one(row: Schedule) -> None:
    if "sigma_min" not in row.options():
        with pytest.raises(TypeError):
            row(5, table=TABLE, sigma_min=0.5)
        return
    sigmas = row(5, table=TABLE, sigma_min=0.5, sigma_max=4.0)
    lowest = sigmas[-1] or sigmas[-2]
    assert sigmas[0] == pytest.approx(4.0, rel=1e-5)
    if row.name != "SGM Uniform":  # whose last σ is 0 itself
        assert lowest == pytest.approx(0.5, rel=1e-5)


def test_rho_bends_karras() -> None:
    """ρ 1 is even in σ."""
    even = resolve("Euler Karras").sigmas(3, rho=1, sigma_min=1, sigma_max=3)
    assert even == pytest.approx([3, 2, 1, 0])


def test_the_training_table_is_stable_diffusions() -> None:
    assert len(TABLE.sigmas) == 1000
    assert TABLE.sigmas[0] == pytest.approx(0.02916753478348255, rel=1e-7)
    assert TABLE.sigmas[500] == pytest.approx(1.6182788610458374, rel=1e-7)
    assert TABLE.sigmas[999] == pytest.approx(14.614642143249512, rel=1e-7)


def test_the_linear_table_is_ddpms() -> None:
    """σ_max = sqrt((1-ᾱ)/ᾱ) with DDPM's ᾱ(T) = 4.04e-5."""
    assert linear().sigma_max == pytest.approx(157.4, rel=1e-3)


def test_the_squared_cosine_table() -> None:
    """σ = sqrt((1-ᾱ)/ᾱ) of Nichol & Dhariwal's ᾱ, in float64; at the end β is capped."""
    table = squared_cosine()
    assert table.sigmas[500] == pytest.approx(1.0155505505, rel=1e-5)
    assert table.sigmas[998] == pytest.approx(641.662345, rel=1e-4)
    assert table.sigma_max == pytest.approx(20291.17, rel=1e-4)


def test_zero_terminal_snr_is_a1111s() -> None:
    table = scaled_linear(zero_terminal_snr=True)
    assert table.sigma_max == pytest.approx(4518.7637, rel=1e-7)
    assert table.sigmas[998] == pytest.approx(2254.235, rel=1e-6)
    assert table.sigma_min == pytest.approx(TABLE.sigma_min, rel=1e-6)


@pytest.mark.parametrize("timestep", [0, 0.25, 17.5, 500, 998.75, 999])
def test_sigma_and_timestep_are_inverse(timestep: float) -> None:
    assert TABLE.timestep(TABLE.sigma(timestep)) == pytest.approx(timestep, abs=2e-3)


def test_timesteps_are_clamped_to_the_table() -> None:
    assert TABLE.timestep(100.0) == 999
    assert TABLE.timestep(1e-4) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_linspace_holds_both_ends(count: int) -> None:
    values = linspace32(999, 0, count)
    assert len(values) == count
    assert values[0] == 999
    assert count == 1 or values[-1] == 0


def test_a_discarded_penultimate_leaves_the_number_of_steps() -> None:
    row = replace(resolve("DPM++ 2M"), discards_penultimate=True)
    whole = resolve("DPM++ 2M").sigmas(9)
    assert row.sigmas(8) == (*whole[:-2], 0.0)


@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_is_refused(steps: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        resolve("Euler").sigmas(steps)


def test_an_option_of_another_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match="schedule Uniform has no rho"):
        resolve("Euler").sigmas(5, rho=7)


@pytest.mark.parametrize(("a", "b"), [(0.6, 0.6), (2.0, 5.0), (1.0, 1.0)])
def test_quantiles_of_the_beta_distribution_are_inverse(
    a: float, b: float, subtests: pytest.Subtests
) -> None:
    for p in (0.0, 1e-6, 0.2, 0.5, 0.77, 1.0):
        with subtests.test(p=p):
            x = inverse_incomplete_beta(p, a, b)
            assert 0 <= x <= 1
            assert p in (0, 1) or incomplete_beta(x, a, b) == pytest.approx(p, rel=1e-12)


def test_the_beta_distributions_known_values() -> None:
    """I_x(1, 1) = x; I_x(2, 5) at ½ is 57/64; a symmetric one is ½ in the middle."""
    assert incomplete_beta(0.3, 1, 1) == pytest.approx(0.3)
    assert incomplete_beta(0.5, 2, 5) == pytest.approx(57 / 64)
    assert incomplete_beta(0.5, 0.6, 0.6) == pytest.approx(0.5)
