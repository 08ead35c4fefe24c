"""Measures how soon each sampler's picture stops changing.

    python -m benchmarks.convergence [--model builtin] [--samplers NAME ...] [--plot FILE.png]

Every sampler draws the same prompts and seeds at 5 to 100 model calls. A deterministic one, and one
whose noise is a path that belongs to the seed, is held against its own picture at many calls: the
distance falls as the picture settles. One that draws fresh noise never settles; what is printed for
it is the distance between its pictures at this and the next budget. The last column tells whose
picture it is: the distance of its last one from that of the plain equation, as a fine run of
DPM++ 2M solves it. Distances are root mean squares over pixels, in levels of 255.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from sdcli.engine import Engine
from sdcli.images.drawing import chart
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, Sampler, resolve

PROMPTS = (
    "a red circle on a blue background",
    "a red house in the snow at night",
    "a boat by the sea at sunset",
    "a green square to the left of a pink heart on a white background",
)
BUDGETS = (5, 8, 10, 15, 20, 30, 50, 100)
SETTLED = 400  # calls of the picture that others are held against
GUIDANCE = 5.0
FLOOR = 0.01  # levels: what a logarithmic scale shows for none


def main() -> None:
    """Print a row a sampler."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--samplers", nargs="*", default=[row.name for row in SAMPLERS])
    parser.add_argument("--plot", type=Path, help="draw the distances; a few samplers at a time")
    options = parser.parse_args()
    engine = Engine.load(options.model)
    lines = {}
    equation = drawn(engine, resolve("DPM++ 2M Karras"), SETTLED)
    print(f"{'':<22}" + "".join(f"{budget:>7}" for budget in BUDGETS) + "  equation")
    for name in options.samplers:
        row = resolve(name)
        if row.adaptive:
            continue
        distances, last = measured(engine, row)
        numbers = "".join(f"{d:>7.1f}" for d in distances)
        never = "  never settles" if fresh_noise(row) else ""
        print(f"{name:<22}{numbers}{distance(last, equation):>10.1f}{never}", flush=True)
        lines[name] = [(calls, max(d, FLOOR)) for calls, d in zip(BUDGETS, distances, strict=True)]
    if options.plot:
        png = chart(lines, across="model calls", up="distance, in levels of 255")
        options.plot.write_bytes(png)


def fresh_noise(row: Sampler) -> bool:
    """Whether it draws noise that is not tied to the noise level."""
    return row.stochastic and not row.brownian


def measured(engine: Engine, row: Sampler) -> tuple[list[float], np.ndarray]:
    """The distances at every budget, in levels, and the picture of the most calls."""
    pictures = [drawn(engine, row, budget) for budget in BUDGETS]
    if fresh_noise(row):
        last = drawn(engine, row, 2 * BUDGETS[-1])
        pairs = pairwise([*pictures, last])
        return [distance(one, other) for one, other in pairs], last
    last = drawn(engine, row, SETTLED)
    return [distance(picture, last) for picture in pictures], last


def drawn(engine: Engine, row: Sampler, budget: int) -> np.ndarray:
    """Each prompt's picture with as many steps as the budget of calls allows."""
    steps = steps_within(row, budget)
    scale = 1.5 if row.unguided and row.guidance_divisor == 1 else GUIDANCE
    requests = [
        GenerationRequest(
            prompt=prompt,
            sampler=row.name,
            scheduler=row.schedule,
            steps=steps,
            cfg_scale=scale,
            seed=seed,
        )
        for seed, prompt in enumerate(PROMPTS)
    ]
    run = engine.start(requests)
    for _ in run:
        pass
    return np.stack([np.asarray(picture.image, np.float64) for picture in run.pictures()])


def steps_within(row: Sampler, budget: int) -> int:
    """The most steps whose model calls stay within the budget."""
    steps = max(budget // row.evaluations + 1, row.least_steps)
    while steps > row.least_steps and (row.total_evaluations(row.sigmas(steps)) or 0) > budget:
        steps -= 1
    return steps


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The mean over pictures of the root mean square over pixels."""
    squares: Sequence[float] = np.square(one - other).mean(axis=(1, 2, 3))
    return float(np.sqrt(squares).mean())


if __name__ == "__main__":
    main()
