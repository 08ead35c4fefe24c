"""Solvers on plain floats: order of convergence, identities, and what noise does."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
from toys import constant, gaussian, gaussian_ode, geometric, no_noise, seeded_noise, two_modes

from sdcli.errors import UsageError
from sdcli.sampling import SAMPLERS, Sampler, resolve

ROWS = [pytest.param(row, id=row.name) for row in SAMPLERS]
STOCHASTIC = [pytest.param(row, id=row.name) for row in SAMPLERS if row.stochastic]
DETERMINISTIC = [pytest.param(row, id=row.name) for row in SAMPLERS if not row.stochastic]


def solve(
    row: Sampler,
    denoise: Callable[[float, float], float],
    x: float,
    sigmas: tuple[float, ...],
    noise: Callable[[float, float], float] = no_noise,
    **options: float,
) -> float:
    """The last state."""
    *_, last = row.solve(denoise, x, sigmas, noise, **options)
    return last


def still(row: Sampler) -> dict[str, float]:
    """Options that make a row deterministic."""
    return {"eta": 0.0} if row.stochastic else {}


@pytest.mark.parametrize("row", ROWS)
def test_error_falls_with_the_declared_order(row: Sampler) -> None:
    """The slope of log error against log steps, towards the ODE's exact answer."""
    spread, start, end = 0.7, 10.0, 0.1
    exact = gaussian_ode(1.0, spread, start=start, end=end)
    noise = seeded_noise(0) if row.stochastic else no_noise
    counts = (80, 160, 320, 640)
    errors = []
    for steps in counts:
        grid = geometric(start, end, steps)
        errors.append(abs(solve(row, gaussian(spread), 1.0, grid, noise, **still(row)) - exact))
    slope = math.log(errors[-2] / errors[-1]) / math.log(2)
    assert slope == pytest.approx(row.order, abs=0.15), errors


@pytest.mark.parametrize("row", ROWS)
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
    for steps in (1, 2, 11):
        calls = 0

        def counting(x: float, sigma: float) -> float:
            nonlocal calls
            calls += 1
            return two_modes(x, sigma)

        solve(row, counting, 5.0, row.sigmas(steps), seeded_noise(2))
        assert calls == row.total_evaluations(steps)


@pytest.mark.parametrize("row", ROWS)
def test_yields_once_a_step(row: Sampler) -> None:
    states = list(row.solve(two_modes, 5.0, row.sigmas(9), seeded_noise(3)))
    assert len(states) == 9


@pytest.mark.parametrize("row", STOCHASTIC)
def test_variance_of_the_data_comes_out(row: Sampler) -> None:
    """Data N(0, ½²) from many chains. First-order bias makes Euler a too narrow at 40 steps."""
    spread = 0.5
    sigmas = row.sigmas(160)
    noise = seeded_noise(4)
    ends = [
        solve(row, gaussian(spread), sigmas[0] * noise(0, 0), sigmas, noise) for _ in range(600)
    ]
    assert statistics.pvariance(ends) / spread**2 == pytest.approx(1.0, abs=0.15)


def test_euler_a_without_eta_is_euler() -> None:
    sigmas = resolve("Euler").sigmas(12)
    quiet = solve(resolve("Euler a"), two_modes, 4.0, sigmas, seeded_noise(5), eta=0.0)
    assert quiet == solve(resolve("Euler"), two_modes, 4.0, sigmas)


@pytest.mark.parametrize("name", ["Euler", "Heun"])
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
