"""Times what a user feels, beside diffusers' StableDiffusionPipeline: one command, one table.

    python -m benchmarks.speed [--work DIR] [--size 256] [--steps 4] [--repeats 5]
        [--threads N] [--only start|step]

From Enter: `--help`, `samplers`, importing the engine, each beside importing the pipeline; one and
eight pictures of the model that ships, from the process's start to its exit. Then a step and a
decode: of the model that ships, and with --work of one of Stable Diffusion 1's size, of random
weights that benchmarks.loading writes there (4 GB), in fp32 and bf16; beside the pipeline as its
documentation shows it, in the same number format, and beside the same in channels_last. A row's
columns run in turn (A B C A B C …); medians, and the least and most of ours. `CPU` is the ratio of
processor time, which other work on the machine hardly moves.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT = "a red house in the snow at night"
IMPORT = "from diffusers import StableDiffusionPipeline"
ENGINE = "import sdcli.cli.wall as wall\nwith wall.crossing():\n    import sdcli.engine"
PICTURES = f"""
import sys
import torch
{IMPORT}
from sdcli.models import find
pipeline = StableDiffusionPipeline.from_pretrained(find("builtin").path, torch_dtype=torch.float32)
pipeline.set_progress_bar_config(disable=True)
count = int(sys.argv[1])
for number, image in enumerate(pipeline([{PROMPT!r}] * count, num_inference_steps=20).images):
    image.save(f"{{sys.argv[2]}}/{{number}}.png")
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What is timed in each column, and by how much its time is to be divided."""

    name: str
    unit: str
    columns: Mapping[str, Callable[[], None]]
    parts: int = 1


def main() -> None:
    """Print the table, row by row."""
    options = _options()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    print(f"{'':<30}{'sdcli':>24}{'diffusers':>12}{'tuned':>10}{'ratio':>8}{'CPU':>7}")
    if options.only != "step":
        with tempfile.TemporaryDirectory() as folder:
            for row in _processes(Path(folder)):
                _race(row, options.repeats, resource.RUSAGE_CHILDREN)
    if options.only != "start":
        _steps(options)
    print("ratio: diffusers' time / ours; above 1 we lead. tuned: the pipeline in channels_last")


def _steps(options: argparse.Namespace) -> None:
    models = {"shipped": "builtin"}
    if options.work:
        from .loading import write

        write(options.work)
        models["SD 1 size"] = str(options.work / "folder")
    for name, model in models.items():
        size = 128 if model == "builtin" else options.size
        for dtype in ("fp32", "bf16"):
            for row in _networks(f"{name}, {size}², {dtype}", model, dtype, size, options.steps):
                _race(row, options.repeats, resource.RUSAGE_SELF)
            gc.collect()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="folder for 4 GB of weights")
    parser.add_argument("--size", type=int, default=256, help="of the large model's pictures")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=("start", "step"), help="half of the table")
    return parser.parse_args()


def _processes(folder: Path) -> list[Row]:
    def run(*words: str) -> Callable[[], None]:
        def call() -> None:
            subprocess.run([sys.executable, *words], check=True, capture_output=True)

        return call

    theirs = run("-c", IMPORT)
    made = ["-m", "sdcli", "gen", PROMPT, "--cfg", "7.5", "-S", "DDIM", "-o", f"{folder}/"]
    rows = [
        Row("--help", "s", {"sdcli": run("-m", "sdcli", "--help"), "diffusers": theirs}),
        Row("samplers", "s", {"sdcli": run("-m", "sdcli", "samplers"), "diffusers": theirs}),
        Row("imports of gen", "s", {"sdcli": run("-c", ENGINE), "diffusers": theirs}),
    ]
    for count in (1, 8):
        ours = run(*made, "-c", str(count))
        pipeline = run("-c", PICTURES, str(count), str(folder))
        label = f"start to exit, {count} picture{'s' if count > 1 else ''}"
        rows.append(Row(label, "s", {"sdcli": ours, "diffusers": pipeline}))
    return rows


def _networks(name: str, model: str, dtype: str, size: int, steps: int) -> list[Row]:
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    from sdcli.engine import Engine
    from sdcli.engine.device import DTYPES
    from sdcli.models import find
    from sdcli.request import GenerationRequest

    engine = Engine.load(model, device="cpu", dtype=dtype)
    asked = {"prompt": PROMPT, "sampler": "Euler", "seed": 1, "width": size, "height": size}
    request = GenerationRequest(**asked, steps=steps, cfg_scale=7.5)
    latents = torch.zeros(1, 4, size // 8, size // 8)

    def our_steps() -> None:
        for _ in engine.start([request]):
            pass

    def our_decode() -> None:
        with torch.inference_mode():
            vae = engine._components.vae
            vae.decode(latents.to(vae.dtype), return_dict=False)

    def pipeline(layout: torch.memory_format) -> Any:
        loaded = StableDiffusionPipeline.from_pretrained(
            find(model).path, torch_dtype=DTYPES[dtype], local_files_only=True
        )
        loaded.scheduler = EulerDiscreteScheduler.from_config(loaded.scheduler.config)
        loaded.unet.to(memory_format=layout)
        loaded.vae.to(memory_format=layout)
        loaded.set_progress_bar_config(disable=True)
        return loaded

    def steps_of(loaded: Any) -> Callable[[], None]:
        def call() -> None:
            loaded(PROMPT, height=size, width=size, num_inference_steps=steps, output_type="latent")

        return call

    def decode_of(loaded: Any) -> Callable[[], None]:
        def call() -> None:
            with torch.inference_mode():
                loaded.vae.decode(latents.to(loaded.vae.dtype), return_dict=False)

        return call

    plain, tuned = pipeline(torch.contiguous_format), pipeline(torch.channels_last)
    theirs = {"diffusers": plain, "tuned": tuned}
    step = {"sdcli": our_steps} | {who: steps_of(loaded) for who, loaded in theirs.items()}
    decode = {"sdcli": our_decode} | {who: decode_of(loaded) for who, loaded in theirs.items()}
    return [Row(f"{name}: step", "ms", step, steps), Row(f"{name}: decode", "ms", decode)]


def _race(row: Row, repeats: int, who: int) -> None:
    """Time a row's columns in turn, and print it."""
    walls: dict[str, list[float]] = {name: [] for name in row.columns}
    busy: dict[str, list[float]] = {name: [] for name in row.columns}
    for call in row.columns.values():
        call()
    for _ in range(repeats):
        for name, call in row.columns.items():
            before, started = resource.getrusage(who), time.perf_counter()
            call()
            walls[name].append(time.perf_counter() - started)
            after = resource.getrusage(who)
            used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            busy[name].append(used)
    scale = (1000 if row.unit == "ms" else 1) / row.parts
    medians = {name: scale * statistics.median(times) for name, times in walls.items()}
    ours = [scale * seconds for seconds in walls["sdcli"]]
    cell = f"{medians['sdcli']:.3g} ({min(ours):.3g}–{max(ours):.3g}) {row.unit}"
    tuned = f"{medians['tuned']:.3g}" if "tuned" in medians else ""
    ratios = [
        statistics.median(b / a for a, b in zip(times["sdcli"], times["diffusers"], strict=True))
        for times in (walls, busy)
    ]
    shown = f"{row.name:<30}{cell:>24}{medians['diffusers']:>12.3g}{tuned:>10}"
    print(f"{shown}{ratios[0]:>8.2f}{ratios[1]:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
