"""Whole runs against numbers that A1111's own sampler functions gave: seed 42, NV noise, N = 10."""

from __future__ import annotations

import math

import pytest
import torch

from sdcli.engine.noise.brownian import BrownianNoise
from sdcli.engine.noise.streams import ImageNoise, Origin
from sdcli.sampling import resolve

# Latent (4, 2, 2), x = first draw × sigmas[0], later noise = the same stream or the seed's Brownian
# path, each sampler on its own schedule. k-samplers: D(x, σ) = x / (1 + σ²); timestep samplers:
# ε = x·√(1 - ᾱ) for x of unit variance. Calls; first value; second value; sum of all 16.
KNOWN = {
    "DPM++ 2M": (10, 0.204070, 2.273341, -1.65650),
    "DPM++ SDE": (19, 0.646940, -0.054395, -0.58786),
    "DPM++ 2M SDE": (10, 0.305519, 0.003782, -0.85972),
    "DPM++ 2M SDE Heun": (10, 0.378626, -0.027248, -0.94730),
    "DPM++ 2S a": (19, -0.574521, 0.003158, -1.43685),
    "DPM++ 3M SDE": (10, 0.939197, -0.169839, -0.02713),
    "Euler a": (10, -0.215497, 0.267350, -0.02088),
    "Euler": (10, 0.167187, 1.862461, -1.35710),
    "LMS": (10, 0.190360, 2.120617, -1.54521),
    "Heun": (19, 0.198563, 2.211999, -1.61180),
    "DPM2": (19, 0.197993, 2.205650, -1.60717),
    "DPM2 a": (19, -0.575125, 0.237527, -1.18827),
    "DPM fast": (10, -0.169859, 1.107202, -3.67388),
    "DPM adaptive": (39, -0.187808, 0.645446, 0.10055),
    "Restart": (19, 0.204417, 2.277210, -1.65931),
    "DDIM": (9, 0.170818, 1.902919, -1.38658),
    "PLMS": (10, 0.192091, 2.139898, -1.55926),
    "UniPC": (10, 0.188141, 2.095892, -1.52719),
}
# The step lengths of DPM adaptive follow from differences that float32 rounds, and its noise from
# the step lengths: the last digits belong to the order of operations.
LOOSE = {"DPM adaptive": 5e-5}


@pytest.mark.parametrize("name", KNOWN)
def test_a_run_ends_where_a1111s_ends(name: str) -> None:
    sampler = resolve(name)
    sigmas = sampler.sigmas(10)
    shape, device = (4, 2, 2), torch.device("cpu")
    noise = ImageNoise([Origin(42)], shape, source="nv", device=device, ensd=0)
    path = BrownianNoise([42], shape, source="nv", device=device, sigmas=sigmas)
    calls = 0

    def toy(x: torch.Tensor, sigma: float) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if sampler.unit_start:
            alpha = 1 / (1 + sigma**2)
            return x - sigma * x * math.sqrt(alpha * (1 - alpha))
        return x / (1 + sigma**2)

    start = noise.first() * sampler.start_scale(sigmas)
    *_, x = sampler.solve(toy, start, sigmas, path if sampler.brownian else noise)
    expected_calls, first, second, total = KNOWN[name]
    assert calls == expected_calls
    off = LOOSE.get(name, 5e-6)
    assert x.flatten()[:2].tolist() == pytest.approx([first, second], abs=off)
    assert x.sum().item() == pytest.approx(total, abs=5 * off)
