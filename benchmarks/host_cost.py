"""Times what a sampler costs beside the model: microseconds a model call, next to diffusers'.

    python -m benchmarks.host_cost [--batch 1] [--steps 30] [--repeats 25] [--json]

The model is a tensor that is there already. `solver` is the sampler alone; `with model input` adds
what sdcli does around a UNet: its input's scale and type, its timestep, x̂₀ from its answer. A class
of diffusers does both in one, so its column stands beside the second. All run in turn on one
thread (A B C A B C …); medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from sdcli.engine.backbones.unet import UNet
from sdcli.engine.denoise.denoiser import Denoiser
from sdcli.engine.diffusers_solver import DiffusersSolver
from sdcli.engine.noise.brownian import BrownianNoise
from sdcli.engine.noise.streams import ImageNoise, Origin
from sdcli.engine.text import Conditioning
from sdcli.engine.text.schedule import Line, Script
from sdcli.models.families import STABLE_DIFFUSION
from sdcli.sampling import SAMPLERS, Noise, Sampler, resolve
from sdcli.sampling.noise_tables import scaled_linear
from sdcli.sampling.paths import EPSILON

TABLE = scaled_linear()
# diffusers' class that does the same, where it has one.
PEERS = {
    "DPM++ 2M": "multistep_dpm_solver",
    "Euler a": "euler_ancestral",
    "Euler": "euler",
    "LMS": "lms_discrete",
    "Heun": "heun",
    "DPM2": "dpm_discrete",
    "DPM2 a": "dpm_discrete_ancestral",
    "DDIM": "ddim",
    "PLMS": "pndm",
    "UniPC": "unipc",
    "DEIS": "deis",
    "SA-Solver": "sasolver",
}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for row in SAMPLERS:
        if row.adaptive or row.unguided:
            continue  # the one takes as many calls as it likes, the other wants two beliefs a call
        rows[row.name] = _costs(row, options.batch, options.steps, options.repeats)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'µs a model call':<22}{'solver':>9}{'with model input':>18}{'diffusers':>11}")
    for name, (alone, whole, theirs) in rows.items():
        peer = "" if theirs is None else f"{theirs:11.0f}"
        print(f"{name:<22}{alone:9.0f}{whole:18.0f}{peer}")


@torch.inference_mode()
def _costs(row: Sampler, batch: int, steps: int, repeats: int) -> tuple[float, float, float | None]:
    sigmas = row.sigmas(steps)
    x = torch.randn(batch, 4, 64, 64)
    answer = torch.randn_like(x)

    def denoise(_: Tensor, sigma: float, /) -> Tensor:
        return answer

    def unet(*_: Any, **__: Any) -> tuple[Tensor]:
        return (answer,)

    line = Line(((steps, Conditioning(torch.zeros(1, 77, 8))),))
    script = Script([line] * batch)
    denoiser = Denoiser(UNet(unet), script, path=EPSILON, timestep=TABLE.timestep)
    runs: list[Callable[[], Iterator[Tensor]]] = [
        lambda: row.solve(denoise, x, sigmas, _noise(row, batch, sigmas)),
        lambda: row.solve(denoiser, x, sigmas, _noise(row, batch, sigmas)),
    ]
    calls = [row.total_evaluations(sigmas) or 1] * 2
    if row.name in PEERS:
        peer = resolve(f"diffusers:{PEERS[row.name]}")
        runs.append(lambda: _theirs(peer, steps, x, answer))
        calls.append(len(DiffusersSolver(peer, STABLE_DIFFUSION, TABLE, steps=steps).sigmas) - 1)
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 2):
        for run, count, measured in zip(runs, calls, times, strict=True):
            states = run()
            start = time.perf_counter()
            for _ in states:
                pass
            if repeat > 1:  # the first ones warm up
                measured.append((time.perf_counter() - start) / count * 1e6)
    alone, whole, *rest = (statistics.median(measured) for measured in times)
    return alone, whole, rest[0] if rest else None


def _noise(row: Sampler, batch: int, sigmas: tuple[float, ...]) -> Noise[Tensor]:
    seeds, shape, device = range(batch), (4, 64, 64), torch.device("cpu")
    if row.brownian:
        return BrownianNoise(seeds, shape, source="cpu", device=device, sigmas=sigmas)
    return ImageNoise([Origin(seed) for seed in seeds], shape, source="cpu", device=device, ensd=0)


def _theirs(peer: Sampler, steps: int, x: Tensor, answer: Tensor) -> Iterator[Tensor]:
    """diffusers' own loop, as its pipelines have it: scale, ask, step."""
    scheduler = DiffusersSolver(peer, STABLE_DIFFUSION, TABLE, steps=steps).scheduler
    generator = torch.Generator().manual_seed(0)
    takes = "generator" in type(scheduler).step.__code__.co_varnames
    extra = {"generator": generator} if takes else {}
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)
        x = scheduler.step(answer, t, x, return_dict=False, **extra)[0]
        yield x


if __name__ == "__main__":
    main()
