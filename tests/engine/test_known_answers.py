"""Whole runs against numbers that A1111's own sampler functions gave: seed 42, NV noise, N = 10."""

from __future__ import annotations

import pytest
import torch

from sdcli.engine.noise import ImageNoise
from sdcli.sampling import resolve

# Latent (4, 2, 2), x = first draw × sigmas[0], later noise = the same stream, each sampler on
# its own schedule, D(x, σ) = x / (1 + σ²). Calls; first value; second value; sum of all 16.
KNOWN = {
    "DPM++ 2M": (10, 0.204070, 2.273341, -1.65650),
    "Euler a": (10, -0.215497, 0.267350, -0.02088),
    "Euler": (10, 0.167187, 1.862461, -1.35710),
    "Heun": (19, 0.198563, 2.211999, -1.61180),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_run_ends_where_a1111s_ends(name: str) -> None:
    sampler = resolve(name)
    sigmas = sampler.sigmas(10)
    noise = ImageNoise([42], (4, 2, 2), source="nv", device=torch.device("cpu"), ensd=0)
    calls = 0

    def toy(x: torch.Tensor, sigma: float) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return x / (1 + sigma**2)

    *_, x = sampler.solve(toy, noise.first() * sigmas[0], sigmas, noise)
    expected_calls, first, second, total = KNOWN[name]
    assert calls == expected_calls
    assert x.flatten()[:2].tolist() == pytest.approx([first, second], abs=2e-6)
    assert x.sum().item() == pytest.approx(total, abs=2e-5)
