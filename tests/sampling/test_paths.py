"""Noise paths: what is noised and predicted exactly comes back, along σ as along straight lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
from toys import RectifiedFlow

from sdcli.sampling import resolve
from sdcli.sampling.noise_tables import scaled_linear
from sdcli.sampling.paths import PATHS, NoisePath
from sdcli.sampling.solvers.repaint import resampled

CLEAN, NOISE = 0.7, -1.3
TABLE = scaled_linear()


FLOW = RectifiedFlow()
CASES: list[tuple[str, NoisePath, float]] = [
    (name, path, sigma) for name, path in PATHS.items() for sigma in (0.03, 1.0, 14.6)
]
CASES += [("flow", FLOW, sigma) for sigma in (0.03, 0.5, 1.0)]


def exact(name: str, sigma: float) -> float:
    """What a perfect model says of CLEAN with NOISE at σ."""
    if name == "epsilon":
        return NOISE
    if name == "sample":
        return CLEAN
    if name == "edm":  # Karras et al. 2022, eq. 8, of σ_data ½
        return (sigma * CLEAN - NOISE / 4) / (0.5 * math.hypot(sigma, 0.5))
    if name in ("v_prediction", "edm_v"):
        return (NOISE - sigma * CLEAN) / math.sqrt(1 + sigma**2)
    return NOISE - CLEAN


@pytest.mark.parametrize(("name", "path", "sigma"), CASES)
def test_an_exact_output_gives_the_clean_picture(name: str, path: NoisePath, sigma: float) -> None:
    x = path.add(CLEAN, NOISE, sigma)
    assert path.denoised(x, exact(name, sigma), sigma) == pytest.approx(CLEAN, abs=1e-9)
    assert path.add(CLEAN, NOISE, 0.0) == CLEAN


@pytest.mark.parametrize(("name", "path", "sigma"), CASES)
def test_scales_agree_with_one_another(name: str, path: NoisePath, sigma: float) -> None:
    signal, noise = path.scales(sigma)
    assert path.add(0.0, 1.0, sigma) == path.first_scale(sigma) == noise
    assert path.add(1.0, 0.0, sigma) == path.last_scale(sigma) == signal
    assert path.model_input(1.0, sigma) == pytest.approx(1 / path.input_scale(sigma))
    data = 0.5 if name == "edm" else 1.0  # the deviation of what it was trained on
    assert path.last_scale(0.0) == 1.0
    assert path.input_scale(0.0) == data
    if name != "flow":  # the model is given unit variance, whatever σ is
        assert math.hypot(signal * data, noise) == pytest.approx(path.input_scale(sigma))
    if signal:
        assert math.exp(path.log_snr(sigma)) == pytest.approx((signal / noise) ** 2)


@pytest.mark.parametrize("path", [*PATHS.values(), FLOW], ids=[*PATHS, "flow"])
def test_noise_put_back_leads_to_the_level_above(path: NoisePath) -> None:
    """Signal and variance after it are those of the path itself."""
    low, high = 0.2, 0.9
    keep, up = path.renoise(low, high)
    (signal, noise), (signal_above, noise_above) = path.scales(low), path.scales(high)
    assert signal * keep == pytest.approx(signal_above)
    assert math.hypot(noise * keep, up) == pytest.approx(noise_above)
    assert path.renoise(low, low) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM++ 2M"])
def test_todays_solvers_walk_along_a_flow(name: str) -> None:
    """Of a Gaussian of spread 0.7 the exact end is known: σ's of a flow need no other solver."""
    spread, count = 0.7, 400
    row = resolve(name).on(TABLE, FLOW)

    def denoise(x: float, sigma: float, /) -> float:
        signal, noise = FLOW.scales(sigma)
        return x * signal * spread**2 / ((signal * spread) ** 2 + noise**2)

    sigmas = [1 - i / count for i in range(count)] + [0.0]
    [*_, end] = row.solve(denoise, row.start_scale(sigmas), sigmas, lambda *_: 0.0)
    assert end == pytest.approx(spread, rel=5e-3)


def test_a_run_that_stops_on_its_way_is_brought_to_latents() -> None:
    """Divided by what signal is left, as ComfyUI's inverse noise scaling has it."""
    row = resolve("Euler").on(TABLE, FLOW)
    [*_, end] = row.solve(lambda x, sigma: CLEAN, NOISE, (1.0, 0.5), lambda *_: 0.0)
    assert end * row.end_scale(0.5) == pytest.approx(FLOW.add(CLEAN, NOISE, 0.5))


def test_repaint_goes_up_along_the_path() -> None:
    seen: list[float] = []

    def noise(sigma: float, sigma_next: float, /) -> float:
        seen.append(sigma_next)
        return 0.0

    def walk(x: float, sigmas: Sequence[float]) -> Iterator[float]:
        seen.append(x)
        yield from (FLOW.add(CLEAN, 0.0, sigma) for sigma in sigmas[1:])

    list(resampled(walk, 1.0, (0.8, 0.4, 0.0), noise, jump=1, times=2, path=FLOW))
    assert seen[2] == pytest.approx(FLOW.add(CLEAN, 0.0, 0.8))
