"""Measures what the gains that change a picture are worth, and by how much they change it.

    python -m benchmarks.approximate [--model builtin] [--repeats 3] [--threads N]

Each row makes the same pictures as the exact run, in turn with it: how many times less time the
run took, in processor time too, which other work hardly moves, and how far its pictures are from
the exact ones: root mean squares over pixels, in levels of 255, on average and the worst picture's.
The last row is another seed's: what "another picture" means.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL.Image import Image

from sdcli.engine import Engine
from sdcli.request import GenerationRequest

from .convergence import PROMPTS

EXACT: Mapping[str, Any] = {"sampler": "DPM++ 2M Karras", "steps": 20, "cfg_scale": 5.0, "seed": 1}
ROWS: Mapping[str, Mapping[str, Any]] = {
    "exact": {},
    "--dtype bf16": {"dtype": "bf16"},
    "--ngms 1 --ngms-all": {"ngms": 1.0, "ngms_all": True},
    "--ngms 2 --ngms-all": {"ngms": 2.0, "ngms_all": True},
    "--ngms 4": {"ngms": 4.0},
    "--skip-early-cfg 0.2": {"skip_early_cfg": 0.2},
    "--token-merging-ratio 0.5": {"token_merging_ratio": 0.5},
    "--deep-cache 2": {"deep_cache": 2},
    "--deep-cache 3": {"deep_cache": 3},
    "another seed": {"seed": 2},
}


class Made(NamedTuple):
    """The pictures of one run, and what it took: seconds by the clock and of the processor."""

    images: list[Image]
    wall: float
    busy: float


def main() -> None:
    """Print a row a gain."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    dtypes = {row.get("dtype", "auto") for row in ROWS.values()}
    engines = {dtype: Engine.load(options.model, dtype=dtype) for dtype in dtypes}
    for engine in engines.values():
        engine.generate(GenerationRequest(prompt="", **{**EXACT, "steps": 1}))
    rounds = [
        {name: _made(engines[row.get("dtype", "auto")], row) for name, row in ROWS.items()}
        for _ in range(options.repeats)
    ]
    print(f"{'':<27}{'faster':>8}{'CPU':>7}{'mean':>8}{'worst':>8}")
    exact = rounds[0]["exact"].images
    for name in ROWS:
        faster = statistics.median(made["exact"].wall / made[name].wall for made in rounds)
        busy = statistics.median(made["exact"].busy / made[name].busy for made in rounds)
        apart = [_apart(*pair) for pair in zip(rounds[0][name].images, exact, strict=True)]
        error = f"{statistics.mean(apart):>8.2f}{max(apart):>8.2f}"
        print(f"{name:<27}{faster:>8.2f}{busy:>7.2f}{error}")


def _made(engine: Engine, row: Mapping[str, Any]) -> Made:
    asked = {**EXACT, **row}
    asked.pop("dtype", None)
    started, busy = time.perf_counter(), time.process_time()
    images = [engine.generate(GenerationRequest(prompt=p, **asked)).image for p in PROMPTS]
    return Made(images, time.perf_counter() - started, time.process_time() - busy)


def _apart(one: Image, other: Image) -> float:
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    return float(np.sqrt(np.square(difference).mean()))


if __name__ == "__main__":
    main()
