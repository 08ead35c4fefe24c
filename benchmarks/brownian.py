"""Times Brownian noise beside a model: torchsde's tree, as A1111 has it, ours, and ours ahead.

    python -m benchmarks.brownian [--batch 1 8] [--model-ms 10] [--repeats 7]

A run of DPM++ 2M SDE at 4×64×64; the model is a wait of --model-ms a picture that leaves the
processor free, as a graphics card does. What the run takes beyond its model calls is divided by
their number. Needs torchsde. All run in turn (A B C A B C …); medians. The three give the same
noise, which is checked.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from sdcli.engine.noise.brownian import Ahead, BrownianNoise
from sdcli.sampling import Noise, resolve

SHAPE = (4, 64, 64)
ROW = resolve("DPM++ 2M SDE Karras")
SIGMAS = ROW.sigmas(20)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--model-ms", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(f"{'ms a model call':<18}{'torchsde':>10}{'sdcli':>10}{'ahead':>10}{'ratio':>8}")
    for batch in options.batch:
        theirs, ours, ahead = _race(batch, batch * options.model_ms / 1000, options.repeats)
        print(f"batch {batch:<12}{theirs:10.2f}{ours:10.2f}{ahead:10.2f}{theirs / ahead:8.1f}")


def _race(batch: int, wait: float, repeats: int) -> tuple[float, ...]:
    makers = (_torchsde, _ours, lambda n: Ahead(_ours(n), ROW.noises(SIGMAS)))
    calls = len(SIGMAS) - 1
    times: list[list[float]] = [[] for _ in makers]
    ends: list[Tensor] = []
    for _ in range(repeats):
        ends.clear()
        for maker, measured in zip(makers, times, strict=True):
            seconds, end = _run(maker, batch, wait)
            measured.append((seconds / calls - wait) * 1000)
            ends.append(end)
    assert all(torch.allclose(end, ends[0], rtol=1e-4, atol=1e-4) for end in ends)
    return tuple(statistics.median(measured) for measured in times)


def _run(maker: Callable[[int], Noise[Tensor]], batch: int, wait: float) -> tuple[float, Tensor]:
    x = torch.ones(batch, *SHAPE) * SIGMAS[0]
    # Waits overrun by some tens of microseconds, the same for all three.

    def model(x: Tensor, sigma: float, /) -> Tensor:
        time.sleep(wait)
        return x / (1 + sigma**2)

    start = time.perf_counter()
    for state in ROW.solve(model, x, SIGMAS, maker(batch)):
        x = state
    return time.perf_counter() - start, x


def _ours(batch: int) -> Noise[Tensor]:
    device = torch.device("cpu")
    return BrownianNoise(range(batch), SHAPE, source="cpu", device=device, sigmas=SIGMAS)


def _torchsde(batch: int) -> Noise[Tensor]:
    import torchsde

    low, high = min(filter(None, SIGMAS)), SIGMAS[0]
    ends = torch.tensor(low), torch.tensor(high)
    trees = [
        torchsde.BrownianTree(ends[0], torch.zeros(SHAPE), ends[1], entropy=seed)
        for seed in range(batch)
    ]

    def noise(sigma: float, sigma_next: float, /) -> Tensor:
        start, end = torch.tensor(sigma_next), torch.tensor(sigma)
        with warnings.catch_warnings(action="ignore"):  # it warns of its own rounding
            grown = torch.stack([tree(start, end) for tree in trees])
        return -grown / (end - start).sqrt()

    return noise


if __name__ == "__main__":
    main()
