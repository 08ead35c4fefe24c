"""Times a night's work: a batch file, beside diffusers one at a time, and beside a shell loop.

    python -m benchmarks.batch [--rows 100] [--steps 20] [--repeats 3] [--loop 5]

Each line is processes of their own, from start to exit, every picture saved as PNG: `sdcli batch`
of all rows; a script that loads diffusers' pipeline once and makes them one by one, as its
documentation shows; `sdcli gen` once a row, of which `--loop` rows stand for all. They run in turn;
medians. All use the model that ships, its prompts, guidance, and DPM++ 2M Karras.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

COLOURS = ("red", "blue", "green", "yellow", "white")
SHAPES = ("circle", "square", "star", "heart")
GUIDANCE = 5.0

_DIFFUSERS = """
import sys
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from sdcli.models import find
file, folder, steps, guidance = sys.argv[1:]
pipeline = StableDiffusionPipeline.from_pretrained(find("builtin").path, torch_dtype=torch.float32)
pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
    pipeline.scheduler.config, use_karras_sigmas=True
)
pipeline.set_progress_bar_config(disable=True)
for seed, prompt in enumerate(open(file).read().splitlines()):
    generator = torch.Generator().manual_seed(seed)
    image = pipeline(
        prompt,
        num_inference_steps=int(steps),
        guidance_scale=float(guidance),
        generator=generator,
    ).images[0]
    image.save(f"{folder}/{seed}.png")
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loop", type=int, default=5, help="rows that the shell loop makes")
    options = parser.parse_args()
    prompts = [
        f"a {COLOURS[row % 5]} {SHAPES[row % 4]} on a black background"
        for row in range(options.rows)
    ]
    ways = {
        "sdcli batch": (_batch, options.rows),
        "diffusers, one at a time": (_diffusers, options.rows),
        "sdcli gen in a shell loop": (_loop, min(options.loop, options.rows)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, (way, rows) in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds = _timed(way, prompts[:rows], Path(folder), options.steps)
            times[name].append(seconds / rows)
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(f"{options.rows} rows of {options.steps} steps; {len(times['sdcli batch'])} repeats")
    print(f"{'':<28}{'s a picture':>12}{'pictures / s':>14}{'spread':>16}")
    for name, each in medians.items():
        spread = f"{min(times[name]):.2f} to {max(times[name]):.2f}"
        print(f"{name:<28}{each:>12.2f}{1 / each:>14.2f}{spread:>16}")
    ours = medians.pop("sdcli batch")
    for name, each in medians.items():
        print(f"sdcli batch is {each / ours:.2f} times as fast as {name}")


def _timed(
    way: Callable[[list[str], Path, int], None], prompts: list[str], folder: Path, steps: int
) -> float:
    started = time.perf_counter()
    way(prompts, folder, steps)
    seconds = time.perf_counter() - started
    assert len(list(folder.rglob("*.png"))) == len(prompts)
    return seconds


def _batch(prompts: list[str], folder: Path, steps: int) -> None:
    file = folder / "rows.txt"
    file.write_text("".join(f"{text} --seed {seed}\n" for seed, text in enumerate(prompts)))
    _sdcli("batch", str(file), *_settings(folder, steps))


def _loop(prompts: list[str], folder: Path, steps: int) -> None:
    for seed, text in enumerate(prompts):
        _sdcli("gen", text, "--seed", str(seed), *_settings(folder, steps))


def _settings(folder: Path, steps: int) -> list[str]:
    sampler = ["--sampler", "DPM++ 2M Karras", "--steps", str(steps)]
    return [*sampler, "--cfg", str(GUIDANCE), "-o", f"{folder}/"]


def _sdcli(*arguments: str) -> None:
    command = [sys.executable, "-m", "sdcli", *arguments]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def _diffusers(prompts: list[str], folder: Path, steps: int) -> None:
    file = folder / "rows.txt"
    file.write_text("\n".join(prompts))
    words = [str(file), str(folder), str(steps), str(GUIDANCE)]
    subprocess.run([sys.executable, "-c", _DIFFUSERS, *words], check=True, capture_output=True)


if __name__ == "__main__":
    main()
