"""Solvers on plain floats: order of convergence, identities, and what noise does."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable

import pytest
from toys import (
    Unmoved,
    constant,
    gaussian,
    gaussian_ode,
    geometric,
    no_noise,
    ramped,
    seeded_noise,
    two_modes,
)

from sdcli.errors import UsageError
from sdcli.sampling import SAMPLERS, SCHEDULES, Sampler, resolve

ROWS = [pytest.param(row, id=row.name) for row in SAMPLERS]
DETERMINISTIC = [pytest.param(row, id=row.name) for row in SAMPLERS if not row.stochastic]
FREE = [pytest.param(row, id=row.name) for row in SAMPLERS if row.grid is None]
LISTABLE = [pytest.param(row, id=row.name) for row in SAMPLERS if not row.ends_only]
TO_ZERO = [pytest.param(row, id=row.name) for row in SAMPLERS if row.sigmas(5)[-1] == 0]
# Restart makes its own path from the ends of the schedule, DPM adaptive its own steps; DDPM is
# Euler a that cannot be quiet.
ORDERED = [
    pytest.param(row, id=row.name)
    for row in SAMPLERS
    if row.order and not row.adaptive and row.name not in ("Restart", "DDPM")
]
# PLMS begins with a step of two calls; HeunPP2 has no third slope in its last step but one.
MORE_CALLS = {"PLMS": 1, "HeunPP2": -1}
COSTLY = ("ER SDE", "SA-Solver")  # they solve for their weights at each of 80,000 steps
# Of a model that was not distilled for it, LCM loses variance at each jump, and TCD some.
SPREADING = [
    pytest.param(row, id=row.name, marks=pytest.mark.slow if row.name in COSTLY else ())
    for row in SAMPLERS
    if row.stochastic and row.name not in ("LCM", "TCD")
]


def solve(
    row: Sampler,
    denoise: Callable[[float, float], float],
    x: float,
    sigmas: tuple[float, ...],
    noise: Callable[[float, float], float] = no_noise,
    **options: float,
) -> float:
    """The last state."""
    *_, last = row.solve(Unmoved(denoise), x, sigmas, noise, **options)
    return last


def still(row: Sampler) -> dict[str, float]:
    """Options that make a row deterministic."""
    return {"eta": 0.0} if "eta" in row.options else {}


@pytest.mark.parametrize("row", ORDERED)
def test_error_falls_with_the_declared_order(row: Sampler) -> None:
    """The slope of log error against log steps, towards the ODE's exact answer."""
    spread, start, end = 0.7, 10.0, 0.1
    exact = gaussian_ode(1.0, spread, start=start, end=end)
    if row.unit_start:
        exact /= math.sqrt(1 + end**2)  # handed over at unit variance
    noise = seeded_noise(0) if row.stochastic else no_noise
    counts = (240, 480)
    errors = []
    for steps in counts:
        grid = ramped(start, end, steps)
        errors.append(abs(solve(row, gaussian(spread), 1.0, grid, noise, **still(row)) - exact))
    slope = math.log(errors[-2] / errors[-1]) / math.log(2)
    assert slope == pytest.approx(row.order, abs=0.15), errors


@pytest.mark.parametrize("row", TO_ZERO)
def test_a_sure_model_is_believed(row: Sampler) -> None:
    """Whatever the steps, a constant x̂₀ is where a run that ends at σ 0 ends."""
    for steps in (1, 2, 3, 7):
        sigmas = row.sigmas(steps)
        last = solve(row, constant(0.25), 3.0, sigmas, seeded_noise(1))
        assert last == pytest.approx(0.25, abs=1e-12)


@pytest.mark.parametrize("row", DETERMINISTIC)
def test_a_deterministic_sampler_draws_no_noise(row: Sampler) -> None:
    solve(row, two_modes, 5.0, row.sigmas(10), no_noise)


@pytest.mark.parametrize("row", ROWS)
def test_model_calls_are_as_declared(row: Sampler) -> None:
    for steps in (row.least_steps, 3, 11, 20, 36):
        calls = 0

        def counting(x: float, sigma: float) -> float:
            nonlocal calls
            calls += 1
            return two_modes(x, sigma)

        sigmas = row.sigmas(steps)
        solve(row, counting, 5.0, sigmas, seeded_noise(2))
        assert calls == (row.total_evaluations(sigmas) or calls)
        if not row.adaptive:
            usual = row.evaluations * (len(sigmas) - 2) + 1
            assert calls == usual + (steps > 1) * MORE_CALLS.get(row.name, 0)


@pytest.mark.parametrize("row", TO_ZERO)
def test_yields_once_a_step(row: Sampler) -> None:
    for steps in (9, 20, 40):
        states = list(row.solve(Unmoved(two_modes), 5.0, row.sigmas(steps), seeded_noise(3)))
        assert len(states) == steps


@pytest.mark.parametrize("row", ROWS)
def test_the_fewest_steps_work_or_are_refused(row: Sampler, subtests: pytest.Subtests) -> None:
    for steps in (1, 2, 3):
        with subtests.test(steps=steps):
            if steps < row.least_steps:
                with pytest.raises(UsageError, match=f"at least {row.least_steps} steps"):
                    row.sigmas(steps)
            else:
                sigmas = row.sigmas(steps)
                assert math.isfinite(solve(row, two_modes, 5.0, sigmas, seeded_noise(8)))


@pytest.mark.parametrize("row", FREE)
def test_every_schedule_carries_every_sampler(row: Sampler, subtests: pytest.Subtests) -> None:
    for schedule in SCHEDULES:
        with subtests.test(schedule.name):
            for steps in (1, 2, 3, 20, 40):
                sigmas = resolve(row.name, schedule.name).sigmas(steps)
                assert math.isfinite(solve(row, two_modes, 5.0, sigmas, seeded_noise(9)))


@pytest.mark.parametrize("row", LISTABLE)
def test_listed_levels_lead_to_a_sure_models_belief(
    row: Sampler, subtests: pytest.Subtests
) -> None:
    for levels in ((5.0, 0.0), (9.0, 2.0, 0.0), (14.0, 6.0, 2.0, 0.5, 0.0)):
        with subtests.test(levels=levels):
            last = solve(row, constant(0.25), 3.0, levels, seeded_noise(1))
            assert last == pytest.approx(0.25, abs=1e-12)


@pytest.mark.parametrize("row", SPREADING)
def test_variance_of_the_data_comes_out(row: Sampler) -> None:
    """Data N(0, ½²) from many chains. First-order bias makes Euler a too narrow at 40 steps."""
    spread = 0.5
    sigmas = row.sigmas(160)
    fine = {"rtol": 0.003, "atol": 0.001} if row.adaptive else {}
    noise = seeded_noise(4)
    ends = [
        solve(row, gaussian(spread), sigmas[0] * noise(0, 0), sigmas, noise, **fine)
        for _ in range(500)
    ]
    assert statistics.pvariance(ends) / spread**2 == pytest.approx(1.0, abs=0.15)


def test_euler_a_without_eta_is_euler() -> None:
    sigmas = resolve("Euler").sigmas(12)
    quiet = solve(resolve("Euler a"), two_modes, 4.0, sigmas, seeded_noise(5), eta=0.0)
    assert quiet == solve(resolve("Euler"), two_modes, 4.0, sigmas)


@pytest.mark.parametrize(
    ("stochastic", "deterministic"),
    [
        ("DPM2 a", "DPM2"),
        ("DPM++ 2M SDE", "DPM++ 2M"),
        ("DPM++ SDE", "DPM++ 2S a"),
        ("Euler a", "DDIM"),
        ("DDIM CFG++", "DDIM"),
    ],
)
def test_without_eta_these_are_one_solver(stochastic: str, deterministic: str) -> None:
    """Identities, up to the float32 in which one of them looks up its noise."""
    grid = geometric(14.6, 0.03, 20)
    ends = []
    for name in (stochastic, deterministic):
        row = resolve(name)
        scale = math.sqrt(1 + grid[-1] ** 2) if row.unit_start else 1.0
        ends.append(scale * solve(row, two_modes, 4.0, grid, seeded_noise(5), **still(row)))
    assert ends[0] == pytest.approx(ends[1], rel=1e-8)


def test_these_are_one_solver_by_another_name() -> None:
    sigmas = resolve("Euler").sigmas(12)
    for one, other in (("DDPM", "Euler a"), ("Euler CFG++", "Euler"), ("Euler a CFG++", "Euler a")):
        ends = [
            solve(resolve(name), two_modes, 4.0, sigmas, seeded_noise(5)) for name in (one, other)
        ]
        assert ends[0] == pytest.approx(ends[1], rel=1e-12)
    heun = solve(resolve("DPM++ 2M SDE Heun"), two_modes, 4.0, sigmas, no_noise, eta=0.0)
    assert heun == solve(resolve("Res Multistep"), two_modes, 4.0, sigmas)


def test_guidance_enters_cfg_pp_only_through_the_belief() -> None:
    """On the way the unguided noise counts: with x̂₀ guided to 1 from 0, one step ends between."""

    class Split:
        def __call__(self, x: float, sigma: float) -> float:
            raise AssertionError("it must ask for both")

        def both(self, x: float, sigma: float) -> tuple[float, float]:
            return 1.0, 0.0

    for name in ("Euler CFG++", "DPM++ 2M CFG++"):
        [end] = resolve(name).solve(Split(), 4.0, (4.0, 2.0), no_noise)
        assert end == pytest.approx(1.0 + 4.0 * 2.0 / 4.0)


def test_restart_is_heun_below_20_steps() -> None:
    sigmas = resolve("Heun Karras").sigmas(19)
    again = solve(resolve("Restart"), two_modes, 4.0, sigmas, no_noise)
    assert again == solve(resolve("Heun"), two_modes, 4.0, sigmas)


def test_restart_goes_back_up_and_adds_the_noise_for_it() -> None:
    """From 20 steps on σ rises once, from near 0.1 to near 2; from 36 on twice."""
    for steps, rises in ((19, 0), (20, 1), (35, 1), (36, 2), (60, 2)):
        path: list[float] = []

        def watching(x: float, sigma: float) -> float:
            path.append(sigma)  # noqa: B023
            return 0.0

        row = resolve("Restart")
        solve(row, watching, 1.0, row.sigmas(steps), seeded_noise(6))
        up = [(a, b) for a, b in itertools.pairwise(path) if b > a]
        assert len(up) == rises
        assert all(0.05 < low < 0.2 and 1.4 < high < 2.8 for low, high in up)


def test_dpm_adaptive_keeps_to_its_tolerance() -> None:
    """A smaller tolerance costs more calls and lands nearer to the ODE's answer."""
    row = resolve("DPM adaptive")
    start, end = row.sigmas(20)[0], row.sigmas(20)[-1]
    exact = gaussian_ode(start, 0.7, start=start, end=end)
    errors, costs = [], []
    for rtol in (0.05, 1e-4, 1e-6):
        calls = 0

        def counting(x: float, sigma: float) -> float:
            nonlocal calls
            calls += 1
            return gaussian(0.7)(x, sigma)

        last = solve(
            row, counting, start, row.sigmas(20), no_noise, eta=0.0, rtol=rtol, atol=rtol / 10
        )
        errors.append(abs(last - exact))
        costs.append(calls)
    assert errors[0] < 0.05
    assert errors[2] < errors[1] / 20 < errors[0] / 400
    assert costs == sorted(set(costs))


@pytest.mark.parametrize("budget", [1, 2, 3, 10, 20])
def test_dpm_adaptive_never_passes_its_budget(budget: int) -> None:
    calls = 0

    def counting(x: float, sigma: float) -> float:
        nonlocal calls
        calls += 1
        return two_modes(x, sigma)

    row = resolve("DPM adaptive")
    last = solve(row, counting, 5.0, row.sigmas(20), seeded_noise(1), max_evals=budget)
    assert calls <= budget
    assert abs(last) < 5


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM2"])
def test_churn_raises_sigma_only_inside_its_window(name: str) -> None:
    seen: list[float] = []

    def watching(x: float, sigma: float) -> float:
        seen.append(sigma)
        return 0.0

    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    solve(
        resolve(name), watching, 1.0, sigmas, seeded_noise(6), s_churn=0.8, s_tmin=1.5, s_tmax=5.0
    )
    # γ = 0.8/4 = 0.2 raises 4 and 2; 8 lies above the window, 1 below it.
    assert {4.8, 2.4, 8.0, 1.0} <= {round(sigma, 9) for sigma in seen}


def test_churn_draws_noise_outside_its_window_too() -> None:
    """A1111 does, and the pictures of one seed must agree."""
    draws = 0

    def counting(sigma: float, sigma_next: float) -> float:
        nonlocal draws
        draws += 1
        return 0.0

    solve(resolve("Euler"), constant(0), 1.0, (8.0, 4.0, 0.0), counting, s_churn=1, s_tmax=5.0)
    assert draws == 2


def test_churn_adds_the_variance_it_says() -> None:
    """From σ to σ(1+γ): what is added has variance σ̂² − σ²."""
    noise = seeded_noise(7)
    gamma = 0.25
    before_first_call: list[float] = []

    def watching(x: float, sigma: float) -> float:
        before_first_call.append(x)
        return x

    for _ in range(2000):
        solve(resolve("Euler"), watching, 0.0, (2.0, 0.0), noise, s_churn=gamma)
    wanted = (2.0 * (1 + gamma)) ** 2 - 2.0**2
    assert statistics.pvariance(before_first_call) == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("row", ROWS)
def test_an_option_that_it_lacks_is_refused_before_the_first_step(row: Sampler) -> None:
    with pytest.raises(UsageError, match="has no warp"):
        row.solve(two_modes, 1.0, (1.0, 0.0), no_noise, warp=1)
