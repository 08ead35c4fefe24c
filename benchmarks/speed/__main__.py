"""Times what a user feels, beside diffusers' StableDiffusionPipeline: one command, one table.

    python -m benchmarks.speed [--work DIR] [--only start ready step save memory] [--compile]
        [--device auto] [--model shipped sd1 sdxl] [--dtype fp32 bf16] [--size 256] [--steps 4]
        [--pictures 1 4] [--repeats 5] [--threads N] [--json FILE] [--plot FILE.png]

From Enter (start): `--help`, `samplers`, importing the engine, each beside importing the pipeline;
one and eight pictures of the model that ships, from the process's start to its exit. Until a model
is there (ready), its files cached and not. A step and a decode (step): of the model that ships, and
with --work of one of Stable Diffusion 1's size, of random weights that are written there once
(4 GB; on a card 7 GB more, of SDXL's size). A PNG (save). The most memory that a process holds
(memory).

Each side runs in a process of its own; a row's columns run in turn (A B C A B C …).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.loading import write

from . import card, giant, machine, memory, networks, ready, save, start
from .report import Report, say
from .setup import Model
from .table import HEAD, LEGEND

MODELS = ("shipped", "sd1", "sdxl")
PARTS = {
    "start": start.rows,
    "ready": ready.rows,
    "step": networks.rows,
    "save": save.rows,
    "memory": memory.rows,
}


def main() -> None:
    """Print the table, row by row, and write what was asked for."""
    options = _options()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    _complete(options)
    report = Report(machine.facts(options.device))
    say(", ".join(f"{name} {told}" for name, told in report.machine.items()))
    say(HEAD)
    try:
        for name, rows in PARTS.items():
            if name in options.only:
                on_card = name == "step" and options.device.startswith("cuda")
                report.measure(card.rows(options) if on_card else rows(options), options.repeats)
    finally:  # what was measured before Ctrl+C is worth keeping
        if options.json:
            report.write_json(options.json)
        if options.plot:
            report.write_plot(options.plot)
    say(LEGEND)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, help="folder for 4 GB of weights, or 11 on a card")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts")
    parser.add_argument("--compile", action="store_true", help="compiled networks, too: minutes")
    parser.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N")
    parser.add_argument("--dtype", nargs="+", dest="dtypes", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--model", nargs="+", dest="wanted", choices=MODELS, default=MODELS)
    parser.add_argument("--size", type=int, help="of the large model: 256, on a card 512")
    parser.add_argument("--steps", type=int, help="of a run: 4, on a card 20")
    parser.add_argument("--pictures", nargs="+", type=int, help="at once")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--plot", type=Path, help="PNG for the ratios")
    return parser.parse_args()


def _complete(options: argparse.Namespace) -> None:
    """Settings that depend on the device, and the models that are there."""
    options.device = machine.device_of(options.device)
    kind = options.device.partition(":")[0]
    options.dtypes = options.dtypes or {"cuda": ["fp16"], "mps": ["fp32", "fp16"]}.get(
        kind, ["fp32", "bf16"]
    )
    options.size = options.size or (512 if kind == "cuda" else 256)
    options.steps = options.steps or (20 if kind == "cuda" else 4)
    options.pictures = options.pictures or ([1, 4, 8, 16] if kind == "cuda" else [1, 4])
    options.models = list(_models(options))


def _models(options: argparse.Namespace) -> Iterator[Model]:
    """Those that are wanted; the large ones are written where they are not there."""
    if "shipped" in options.wanted:
        yield Model("shipped", "builtin", 128)
    if not options.work or not {"ready", "step", "memory"} & set(options.only):
        return
    write(options.work)
    if "sd1" in options.wanted:
        yield Model("SD 1", str(options.work / "folder"), options.size)
    on_card = options.device.startswith("cuda") and {"step", "memory"} & set(options.only)
    if on_card and "sdxl" in options.wanted:
        folder = giant.write(options.work / "giant", options.device)
        yield Model(giant.NAME, str(folder), giant.SIZE)


if __name__ == "__main__":
    main()
