"""Prints how far sdcli, and the nearest class of diffusers, end from what A1111's samplers compute.

    python -m benchmarks.parity [--markdown | --json]

The truth is k-diffusion's own code on A1111's σ's, recorded in tests/golden; the model is that
record's exact denoiser of a Gaussian mixture. Errors are relative L2 of the last state, after 8, 20
and 50 steps. diffusers' class has the settings that come nearest, integer timesteps where it takes
no others, and the same noise: a stock pipeline would draw other noise, and paint another picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdcli.engine.diffusers_solver import DiffusersSolver
from sdcli.engine.noise.brownian import BrownianNoise
from sdcli.models.families import STABLE_DIFFUSION
from sdcli.sampling import Noise, Sampler, resolve
from sdcli.sampling.noise_tables import scaled_linear

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
from mixture import SEED, denoise, noise_rows  # noqa: E402

RECORD = json.loads((GOLDEN / "k_diffusion.json").read_text())
STEPS = (8, 20, 50)
TABLE = scaled_linear()
NO_STEPS_OFFSET = {"steps_offset": 0}
FLAGS: Mapping[str, Mapping[str, Any]] = {
    "Uniform": {"timestep_spacing": "linspace"},
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True},
}


@dataclass(frozen=True)
class Peer:
    """A class of diffusers and its settings; `rounded` has it take A1111's timesteps as a list."""

    scheduler: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    rounded: bool = False


def _multistep(order: int, kind: str, schedule: str, *, heun: bool = False) -> Peer:
    settings = {"solver_order": order, "algorithm_type": kind}
    settings |= {"solver_type": "heun" if heun else "midpoint"}
    # Its exponential flag cuts timesteps off; the one called "lu" has the same σ's and rounds.
    flags = {"Karras": {"use_karras_sigmas": True}, "Exponential": {"use_lu_lambdas": True}}
    settings |= flags.get(schedule, {})
    return Peer("DPMSolverMultistepScheduler", settings, rounded=schedule == "Uniform")


def peer_of(sampler: str, schedule: str) -> Peer | None:
    """diffusers' best class for it; None where there is none in any sense."""
    flags = FLAGS[schedule]
    kinds: dict[str, Peer] = {
        "Euler": Peer("EulerDiscreteScheduler", flags),
        "LMS": Peer("LMSDiscreteScheduler", flags),
        "Heun": Peer("HeunDiscreteScheduler", flags),
        "DPM2": Peer("KDPM2DiscreteScheduler", _trailing(flags)),
        "DPM2 a": Peer("KDPM2AncestralDiscreteScheduler", _trailing(flags)),
        "DPM++ 2S a": Peer("KDPM2AncestralDiscreteScheduler", _trailing(flags)),
        "DPM++ SDE": Peer("DPMSolverSDEScheduler", flags),
        "DPM++ 2M": _multistep(2, "dpmsolver++", schedule),
        "DPM++ 2M SDE": _multistep(2, "sde-dpmsolver++", schedule),
        "DPM++ 2M SDE Heun": _multistep(2, "sde-dpmsolver++", schedule, heun=True),
        "DPM++ 3M SDE": _multistep(2, "sde-dpmsolver++", schedule, heun=True),
    }
    if sampler == "Euler a":
        if schedule == "Uniform":
            return Peer("EulerAncestralDiscreteScheduler", flags)
        return _multistep(1, "sde-dpmsolver++", schedule)
    return kinds.get(sampler)


def _trailing(flags: Mapping[str, Any]) -> Mapping[str, Any]:
    """The KDPM2 classes come nearest to a discarded σ with trailing timesteps."""
    return {"timestep_spacing": "trailing"} if "timestep_spacing" in flags else flags


def runs() -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    """The recorded runs as A1111 makes them: its σ's, eta 1, no churn."""
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for run in RECORD["runs"]:
        row = resolve(run["sampler"])
        options = {"eta": 1.0} if "eta" in row.options and not row.discards_penultimate else {}
        if run["steps"] not in STEPS or run["options"] != options:
            continue
        if row.discards_penultimate is ("discarding" in run):
            key = (run["sampler"], run["schedule"])
            found.setdefault(key, {})[run["steps"]] = run
    return found


def ours(run: Mapping[str, Any]) -> float:
    """The error of sdcli's own solver on its own σ's."""
    row = resolve(run["sampler"]) if _own_grid(run) else resolve(run["sampler"], run["schedule"])
    sigmas = row.sigmas(run["steps"])
    rows = noise_rows(torch.float32 if row.brownian else torch.float64)
    x = next(rows) * sigmas[0]
    noise = _noise(row, x, sigmas, rows)
    *_, end = row.solve(denoise, x, sigmas, noise, **run["options"])
    return _error(end, run)


def theirs(run: Mapping[str, Any]) -> float | None:
    """The error of diffusers' class; None where it has none."""
    if _own_grid(run) or (peer := peer_of(run["sampler"], run["schedule"])) is None:
        return None
    row = resolve(run["sampler"], run["schedule"])
    steps, sigmas = run["steps"], row.sigmas(run["steps"])
    timesteps = [round(TABLE.timestep(sigma)) for sigma in sigmas[:-1]] if peer.rounded else None
    config = {**STABLE_DIFFUSION, **NO_STEPS_OFFSET, **peer.settings}
    solver = DiffusersSolver(
        resolve(peer.scheduler), config, TABLE, steps=steps, timesteps=timesteps
    )
    rows = noise_rows(torch.float32 if row.brownian else torch.float64)
    x = next(rows)
    # Rounded timesteps have other σ's, which would be other places of the path.
    stepwise = peer.scheduler != "DPMSolverSDEScheduler"
    noise = _noise(row, x, sigmas, rows, stepwise=stepwise)
    # Where it counts in unit variance a pipeline starts from the noise itself, not a little below.
    start = solver.start_scale(solver.sigmas)
    start = start if start > 1 else sigmas[0] / (1 + sigmas[0] ** 2) ** 0.5
    *_, end = solver.solve(denoise, x * start, solver.sigmas, noise)
    return _error(end, run)


def _own_grid(run: Mapping[str, Any]) -> bool:
    return resolve(run["sampler"]).grid is not None


def _noise(
    row: Sampler, x: Tensor, sigmas: Sequence[float], rows: Any, *, stepwise: bool = False
) -> Noise[Tensor]:
    """The recorded noise; `stepwise` gives step k its own part of the path, whatever σ it names."""
    if not row.brownian:
        return lambda sigma, sigma_next: next(rows)
    tree = BrownianNoise(
        [SEED], x.shape[1:], source="cpu", device=torch.device("cpu"), sigmas=sigmas
    )
    if not stepwise:
        return tree
    steps = pairwise(sigmas)

    def of_the_step(*_: float) -> Tensor:
        sigma, sigma_next = next(steps)
        return tree(sigma, sigma_next) if sigma_next else torch.zeros_like(x)

    return of_the_step


def _error(end: Tensor, run: Mapping[str, Any]) -> float:
    truth = torch.tensor(run["x"], dtype=torch.float64)
    return float((end.double().flatten() - truth).norm() / truth.norm())


@dataclass(frozen=True)
class Row:
    """A line of the table: errors after 8, 20 and 50 steps."""

    sampler: str
    schedule: str
    ours: Sequence[float]
    theirs: Sequence[float]
    peer: Peer | None


def table() -> list[Row]:
    """Every row, in the record's order."""
    return [
        Row(
            sampler,
            schedule,
            [ours(run) for run in by_steps.values()],
            [error for run in by_steps.values() if (error := theirs(run)) is not None],
            peer_of(sampler, schedule) if resolve(sampler).grid is None else None,
        )
        for (sampler, schedule), by_steps in runs().items()
    ]


def plain(rows: Sequence[Row]) -> str:
    """The table for a terminal, with the settings of diffusers' class."""
    lines = [f"{'sampler':<18} {'schedule':<12} {'sdcli':<20} {'diffusers':<20} class"]
    for row in rows:
        name, settings = (row.peer.scheduler, row.peer.settings) if row.peer else ("none", {})
        chosen = ", ".join(f"{key}={value}" for key, value in settings.items())
        lines.append(
            f"{row.sampler:<18} {row.schedule:<12} {_errors(row.ours):<20} "
            f"{_errors(row.theirs):<20} {name}({chosen})"
        )
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The table of docs/parity.md: each sampler's greatest error over schedules and steps."""
    lines = ["| sampler | sdcli | diffusers | its class |", "|---|---|---|---|"]
    for sampler, (mine, other, classes) in worst(rows).items():
        shown = "–" if other is None else f"{other:.0e}"
        lines.append(f"| {sampler} | {mine:.0e} | {shown} | {', '.join(classes) or 'none'} |")
    return "\n".join(lines)


def worst(rows: Sequence[Row]) -> dict[str, tuple[float, float | None, list[str]]]:
    """By sampler: the greatest error of sdcli and of diffusers, and the classes of the latter."""
    found = {}
    for sampler in dict.fromkeys(row.sampler for row in rows):
        mine = [row for row in rows if row.sampler == sampler]
        found[sampler] = (
            max(error for row in mine for error in row.ours),
            max((error for row in mine for error in row.theirs), default=None),
            list(dict.fromkeys(row.peer.scheduler for row in mine if row.peer)),
        )
    return found


def _errors(errors: Sequence[float]) -> str:
    return " / ".join(f"{error:.0e}" for error in errors)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markdown", action="store_true", help="as in docs/parity.md")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = table()
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print(markdown(rows) if options.markdown else plain(rows))


if __name__ == "__main__":
    main()
