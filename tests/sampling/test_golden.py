"""Every sampler that k-diffusion has, against values recorded from it (tests/golden/record.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from mixture import SEED, denoise, noise_rows
from quick import slow
from repository import ROOT

from sdcli.engine.noise.brownian import BrownianNoise
from sdcli.sampling import SAMPLERS, resolve, resolve_schedule
from sdcli.sampling.noise_tables import scaled_linear

RECORD = json.loads((ROOT / "tests" / "golden" / "k_diffusion.json").read_text())
# Relative L2. The reference has its σ's in float32, and each logarithm and midpoint with them.
# LMS's weights come from a quadrature of tolerance 1e-4 there, in closed form here; DPM fast's
# first steps are e^6 long; DPM adaptive chooses its steps by differences of near equals.
WITHIN = {"DPM2": 2e-6, "DPM fast": 5e-6, "LMS": 1e-5, "DPM adaptive": 1e-5}
DETERMINISTIC, TREE = 1e-6, 1e-4
# In one step from σ 14.6 to 0.03 with eta 1 the ancestral `down` is a difference of nearly equal
# float32 numbers in the reference, wrong by some per cent; two solvers go through its logarithm.
ROUNDED_AWAY = {("DPM++ 2S a", 2): 1e-4, ("DPM2 a", 2): 1e-3}


BROWNIAN = {row.name for row in SAMPLERS if row.brownian}  # slow, as a tree of noise is


def groups() -> list[Any]:
    """One case for each sampler and schedule: all of its runs."""
    cases: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in RECORD["runs"]:
        cases.setdefault((run["sampler"], run["schedule"]), []).append(run)
    return [
        (slow if sampler in BROWNIAN and schedule != "Karras" else pytest.param)(
            sampler, schedule, runs, id=f"{sampler} {schedule}"
        )
        for (sampler, schedule), runs in cases.items()
    ]


@pytest.mark.parametrize("name", RECORD["sigmas"])
@pytest.mark.parametrize("steps", [1, 2, 8, 20, 50])
def test_our_sigmas_are_k_diffusions(name: str, steps: int) -> None:
    """To two units in float32's last place: torch's own exp and log are off by one."""
    ours = resolve_schedule(name)(steps, table=scaled_linear())
    assert ours == pytest.approx(RECORD["sigmas"][name][str(steps)], rel=2.4e-7, abs=0)


@pytest.mark.parametrize(("sampler", "schedule", "runs"), groups())
def test_every_run_ends_where_k_diffusions_does(
    sampler: str, schedule: str, runs: list[dict[str, Any]]
) -> None:
    """Where it crashes (multistep SDE solvers of one step), ours ends at the model's belief."""
    row = resolve(sampler)
    for run in runs:
        sigmas = run.get("discarding") or RECORD["sigmas"][schedule][str(run["steps"])]
        calls = 0

        def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return denoise(x, sigma)

        rows = noise_rows(torch.float32 if row.brownian else torch.float64)
        x = next(rows) * sigmas[0]
        if row.grid is not None:
            sigmas = row.sigmas(run["steps"])
        noise: Any = lambda sigma, sigma_next, rows=rows: next(rows)  # noqa: E731
        if row.brownian:
            noise = BrownianNoise(
                [SEED], x.shape[1:], source="cpu", device=torch.device("cpu"), sigmas=sigmas
            )
        *_, end = row.solve(model, x, sigmas, noise, **run["options"])
        if "crash" in run:
            assert run["steps"] == 1
            assert torch.equal(end, denoise(x, sigmas[0]))
            continue
        theirs = torch.tensor(run["x"], dtype=torch.float64)
        error = (end.double().flatten() - theirs).norm() / theirs.norm()
        within = WITHIN.get(sampler, TREE if row.brownian else DETERMINISTIC)
        within = ROUNDED_AWAY.get((sampler, run["steps"]), within)
        assert calls == run["calls"]
        assert error <= within, (run["steps"], run["options"], error.item())
