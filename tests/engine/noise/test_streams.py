"""Noise against known answers: an NVIDIA card's, torch's, and one stream an image."""

from __future__ import annotations

import pytest
import torch

from sdcli.engine.noise.streams import (
    ImageNoise,
    NvStream,
    Origin,
    TorchStream,
    open_stream,
)
from sdcli.errors import UsageError

CPU = torch.device("cpu")


def test_nv_seed_0() -> None:
    stream = NvStream(0)
    first = [
        *(-0.9246624, -0.42534396, -2.6438458, 0.14518388, -0.12086651, -0.5797257),
        *(-0.6228513, -0.32838714, -1.074542, -0.3631441, -1.6710504, 2.265505),
    ]
    assert stream.next((12,)).tolist() == pytest.approx(first, abs=1e-6)
    second = [0.18082589, -0.5522627, 0.9238134, -0.73497033]
    assert stream.next((4,)).tolist() == pytest.approx(second, abs=1e-6)


def test_nv_seed_42_at_a_latents_shape() -> None:
    stream = NvStream(42)
    noise = stream.next((4, 64, 64))
    first = [0.19401887, 2.16137385, -0.17205095, 0.84905999]
    assert noise.flatten()[:4].tolist() == pytest.approx(first, abs=1e-6)
    assert noise.double().sum().item() == pytest.approx(50.93439804, abs=1e-4)
    second = [0.13913749, -0.10821616, -0.71742219, 0.75664866]
    assert stream.next((4,)).tolist() == pytest.approx(second, abs=1e-6)


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        pytest.param(2**32 + 7, [-0.28273523, -1.01280427], id="both key words"),
        pytest.param(4294967294, [0.44065914, 0.15776151], id="the greatest random seed"),
    ],
)
def test_nv_uses_the_whole_seed(seed: int, first: list[float]) -> None:
    assert NvStream(seed).next((2,)).tolist() == pytest.approx(first, abs=1e-6)


def test_cpu_is_torchs_own() -> None:
    noise = TorchStream(42, CPU).next((4, 64, 64))
    first = [1.9269153, 1.4872841, 0.9007172, -2.1055210]
    assert noise.flatten()[:4].tolist() == pytest.approx(first, abs=1e-6)
    assert noise.double().sum().item() == pytest.approx(149.7648004, abs=1e-4)


@pytest.mark.parametrize("source", ["nv", "cpu"])
def test_an_image_never_sees_its_neighbours(source: str) -> None:
    def draws(seeds: list[int]) -> list[torch.Tensor]:
        noise = ImageNoise([Origin(s) for s in seeds], (4, 8, 8), source=source, device=CPU, ensd=0)
        return [noise.first(), noise(1, 0.5), noise(0.5, 0)]

    together, alone = draws([3, 4, 5]), draws([4])
    for batch, single in zip(together, alone, strict=True):
        assert torch.equal(batch[1], single[0])


def test_later_noise_continues_the_seeds_stream() -> None:
    noise = ImageNoise([Origin(9)], (2, 2), source="nv", device=CPU, ensd=0)
    stream = NvStream(9)
    assert torch.equal(noise.first()[0], stream.next((2, 2)))
    assert torch.equal(noise(1, 0)[0], stream.next((2, 2)))


def test_ensd_starts_new_streams_after_the_first_draw() -> None:
    noise = ImageNoise([Origin(9)], (2, 2), source="nv", device=CPU, ensd=31337)
    assert torch.equal(noise.first()[0], NvStream(9).next((2, 2)))
    later = NvStream(9 + 31337)
    assert torch.equal(noise(1, 0)[0], later.next((2, 2)))
    assert torch.equal(noise(1, 0)[0], later.next((2, 2)))


@pytest.mark.parametrize("source", ["nv", "cpu"])
def test_noise_is_standard_normal(source: str) -> None:
    noise = open_stream(source, 1, CPU).next((200_000,)).double()
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.var().item() == pytest.approx(1, abs=0.02)
    assert (noise.abs() < 1.96).double().mean().item() == pytest.approx(0.95, abs=0.005)


def test_gpu_noise_without_a_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a CUDA device"):
        open_stream("gpu", 1, CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_nv_is_what_a_card_draws() -> None:
    card = open_stream("gpu", 42, torch.device("cuda"))
    ours = NvStream(42)
    for _ in range(3):
        assert torch.allclose(ours.next((4, 64, 64)), card.next((4, 64, 64)).cpu(), atol=2e-6)
