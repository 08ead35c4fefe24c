"""Noise drawn ahead by a thread is the noise itself."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from sdcli.engine.noise.brownian import WINDOW, Ahead, BrownianNoise
from sdcli.sampling import SAMPLERS, Sampler, resolve

SHAPE = (4, 8, 8)
BROWNIAN = [row for row in SAMPLERS if row.brownian]


def path(sigmas: tuple[float, ...]) -> BrownianNoise:
    return BrownianNoise([1, 2], SHAPE, source="cpu", device=torch.device("cpu"), sigmas=sigmas)


@pytest.mark.parametrize("row", BROWNIAN, ids=lambda row: row.name)
def test_a_run_gets_the_same_noise(row: Sampler) -> None:
    sigmas = row.sigmas(9)
    ends = []
    for noise in (path(sigmas), Ahead(path(sigmas), row.noises(sigmas))):
        *_, end = row.solve(lambda x, sigma: x * 0.5, torch.ones(2, *SHAPE), sigmas, noise)
        ends.append(end)
    assert torch.equal(*ends)


def test_the_next_draws_are_begun_before_they_are_asked_for() -> None:
    begun: list[float] = []
    enough = threading.Event()

    def noise(sigma: float, sigma_next: float, /) -> Tensor:
        begun.append(sigma)
        if len(begun) == WINDOW:
            enough.set()
        return torch.tensor(sigma)

    ahead = Ahead(noise, [(float(i), float(i - 1)) for i in range(9, 0, -1)])
    assert enough.wait(timeout=10)
    assert begun == [9.0, 8.0, 7.0]
    assert [ahead(float(i), float(i - 1)).item() for i in range(9, 0, -1)] == list(range(9, 0, -1))


def test_other_ways_are_answered_too_and_errors_are_passed_on() -> None:
    sigmas = resolve("DPM++ SDE").sigmas(4)
    ahead = Ahead(path(sigmas), [])
    assert torch.equal(ahead(3.0, 1.0), path(sigmas)(3.0, 1.0))

    def fails(sigma: float, sigma_next: float, /) -> Tensor:
        raise MemoryError("no more")

    with pytest.raises(MemoryError, match="no more"):
        Ahead(fails, [(2.0, 1.0)])(2.0, 1.0)


def test_without_noise_none_is_drawn() -> None:
    row = resolve("DPM++ 2M SDE")
    assert row.noises(row.sigmas(5), eta=0.0) == []
    assert len(row.noises(row.sigmas(5))) == 4
