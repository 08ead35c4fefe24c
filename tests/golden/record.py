"""Records what k-diffusion itself computes, for our solvers to be held against.

    python tests/golden/record.py

Installs k-diffusion, at its version below, into a scratch folder without its dependencies (of which
sampling needs only scipy, torchsde and torchdiffeq), runs its samplers on `mixture.py`, and writes
`k_diffusion.json` beside this file. Rerun it only to add runs: the values are facts.
"""

import json
import math
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from mixture import SEED, SHAPE, denoise, noise_rows

PACKAGES = ("k-diffusion==0.1.1.post1", "torchdiffeq==0.2.5")
STEPS = (1, 2, 8, 20, 50)
ETA = ({"eta": 0.0}, {"eta": 0.5}, {"eta": 1.0}, {"eta": 1.0, "s_noise": 1.003})
CHURN: tuple[dict[str, float], ...] = (
    {},
    {"s_churn": 10.0},
    {"s_churn": 40.0, "s_tmin": 0.05, "s_tmax": 5.0, "s_noise": 1.01},
)
# Our sampler, k-diffusion's function, its fixed arguments, the options to vary, Brownian noise.
RUNS: tuple[tuple[str, str, dict[str, Any], tuple[dict[str, float], ...], bool], ...] = (
    ("DPM++ 2M", "sample_dpmpp_2m", {}, ({},), False),
    ("DPM++ SDE", "sample_dpmpp_sde", {}, ETA, True),
    ("DPM++ 2M SDE", "sample_dpmpp_2m_sde", {}, ETA, True),
    ("DPM++ 2M SDE Heun", "sample_dpmpp_2m_sde", {"solver_type": "heun"}, ETA, True),
    ("DPM++ 2S a", "sample_dpmpp_2s_ancestral", {}, ETA, False),
    ("DPM++ 3M SDE", "sample_dpmpp_3m_sde", {}, ETA, True),
    ("Euler a", "sample_euler_ancestral", {}, ETA, False),
    ("Euler", "sample_euler", {}, CHURN, False),
    ("LMS", "sample_lms", {}, ({},), False),
    ("Heun", "sample_heun", {}, CHURN, False),
    ("DPM2", "sample_dpm_2", {}, CHURN, False),
    ("DPM2 a", "sample_dpm_2_ancestral", {}, ETA, False),
    ("DPM fast", "sample_dpm_fast", {}, ETA, False),
    ("DPM adaptive", "sample_dpm_adaptive", {}, ETA[:3], False),
)
OWN_GRID = {"DPM fast", "DPM adaptive"}
DISCARDING = {
    "DPM2",
    "DPM2 a",
    "DPM++ 3M SDE",
}  # A1111 makes one σ more, and drops the last but one


def main() -> None:
    """Install, run and write."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*command, "--target", scratch, *PACKAGES], check=True)
        sampling, external = load(Path(scratch))
        schedules = {steps: sigmas_of(sampling, external, steps) for steps in STEPS}
        runs = [*every_run(sampling, schedules), *discarding_runs(sampling, external)]
    sigmas = {
        name: {str(steps): schedules[steps][name].tolist() for steps in STEPS}
        for name in schedules[STEPS[0]]
    }
    made_with = {"packages": PACKAGES, "torch": torch.__version__, "seed": SEED, "shape": SHAPE}
    out = Path(__file__).with_name("k_diffusion.json")
    lines = ",\n".join(json.dumps(run) for run in runs)
    head = json.dumps({"made_with": made_with, "sigmas": sigmas})[:-1]
    out.write_text(f'{head},\n"runs": [\n{lines}\n]}}\n')
    print(f"{len(runs)} runs, {sum('crash' in run for run in runs)} of them crash in k-diffusion")


def load(folder: Path) -> tuple[Any, Any]:
    """k-diffusion's two modules, without the package's other imports."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("k_diffusion")
    package.__path__ = [str(folder / "k_diffusion")]
    sys.modules["k_diffusion"] = package
    for name in ("torchvision", "torchvision.transforms"):
        module = types.ModuleType(name)
        module.functional = module.transforms = None  # type: ignore[attr-defined]
        sys.modules[name] = module
    from k_diffusion import external, sampling  # type: ignore[import-not-found]

    return sampling, external


def sigmas_of(sampling: Any, external: Any, steps: int) -> dict[str, torch.Tensor]:
    """The three schedules over Stable Diffusion's table, float32."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    model = types.SimpleNamespace(alphas_cumprod=(1 - betas).cumprod(0).float())
    table = external.DiscreteEpsDDPMDenoiser(
        torch.nn.Identity(), model.alphas_cumprod, quantize=False
    )
    low, high = table.sigmas[0].item(), table.sigmas[-1].item()
    return {
        "Uniform": table.get_sigmas(steps),
        "Karras": sampling.get_sigmas_karras(steps, low, high),
        "Exponential": sampling.get_sigmas_exponential(steps, low, high),
    }


def every_run(
    sampling: Any, schedules: dict[int, dict[str, torch.Tensor]]
) -> Iterator[dict[str, Any]]:
    """Each sampler on each schedule with each of its options."""
    for name, function, fixed, variants, brownian in RUNS:
        names = ("Exponential",) if name in OWN_GRID else ("Uniform", "Karras", "Exponential")
        counts = (20,) if name == "DPM adaptive" else STEPS
        for schedule, steps, options in product(names, counts, variants):
            sigmas = schedules[steps][schedule]
            facts = {"sampler": name, "schedule": schedule, "steps": steps, "options": options}
            call = getattr(sampling, function)
            try:
                ends = run(sampling, call, sigmas, fixed | options, name, brownian=brownian)
            except UnboundLocalError as error:  # its multistep SDE solvers, of one step
                yield facts | {"crash": f"{type(error).__name__}: {error}"}
            else:
                yield facts | ends


def discarding_runs(sampling: Any, external: Any) -> Iterator[dict[str, Any]]:
    """The samplers whose last σ but one A1111 drops, as it runs them."""
    discarding = [row for row in RUNS if row[0] in DISCARDING]
    for (name, function, fixed, _, brownian), steps in product(discarding, STEPS[1:]):
        for schedule, longer in sigmas_of(sampling, external, steps + 1).items():
            sigmas = torch.cat([longer[:-2], longer[-1:]])
            call = getattr(sampling, function)
            ends = run(sampling, call, sigmas, fixed, name, brownian=brownian)
            facts = {"sampler": name, "schedule": schedule, "steps": steps, "options": {}}
            yield facts | {"discarding": sigmas.tolist()} | ends


def run(
    sampling: Any,
    call: Callable[..., torch.Tensor],
    sigmas: torch.Tensor,
    options: dict[str, Any],
    name: str,
    *,
    brownian: bool,
) -> dict[str, Any]:
    """Where one run ends, and how often it asked the model."""
    # A Brownian tree draws numbers of x's type, and A1111's x is float32; all others are recorded
    # in float64, so that what differs is the solver and not the rounding of x.
    dtype = torch.float32 if brownian else torch.float64
    rows = noise_rows(dtype)
    x = next(rows) * sigmas[0]
    calls = 0

    def model(x: torch.Tensor, sigma: torch.Tensor, **_: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return denoise(x, sigma.item())

    arguments: dict[str, Any] = {**options, "disable": True}
    if brownian:
        low, high = sigmas[sigmas > 0].min(), sigmas.max()
        arguments["noise_sampler"] = sampling.BrownianTreeNoiseSampler(x, low, high, seed=[SEED])
    elif "eta" in options or "ancestral" in call.__name__:
        arguments["noise_sampler"] = lambda sigma, sigma_next: next(rows)
    drawn = torch.randn_like
    torch.randn_like = lambda like, **_: next(rows)  # type: ignore[assignment]
    try:
        if name in OWN_GRID:
            arguments |= {"sigma_min": 0.02916753478348255, "sigma_max": sigmas[0].item()}
            arguments |= {"n": len(sigmas) - 1} if name == "DPM fast" else {}
            end = call(model, x, **arguments)
        else:
            end = call(model, x, sigmas, **arguments)
    finally:
        torch.randn_like = drawn
    assert math.isfinite(end.sum()), (name, options)
    return {"calls": calls, "x": [float(f"{value:.9g}") for value in end.flatten().tolist()]}


if __name__ == "__main__":
    main()
