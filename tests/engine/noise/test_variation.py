"""Variations: another seed's noise mixed in, and a seed's picture kept at another size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sdcli.engine import Engine
from sdcli.engine.noise.streams import ImageNoise, NvStream, Origin, centred, slerp
from sdcli.request import GenerationRequest

CPU = torch.device("cpu")


def test_a1111s_slerp() -> None:
    """Recorded from A1111's own function: seeds 42 and 43, strength 0.3."""
    noise = slerp(NvStream(42).next((4, 8, 8)), NvStream(43).next((4, 8, 8)), 0.3)
    known = [1.3464013, 2.3276725, 0.3899258, 1.3695707]
    assert noise.flatten()[:4].tolist() == pytest.approx(known, abs=2e-6)
    assert noise.double().sum().item() == pytest.approx(1.0312196, abs=1e-4)


def test_slerp_goes_from_one_to_the_other() -> None:
    low, high = NvStream(1).next((4, 16, 16)), NvStream(2).next((4, 16, 16))
    assert torch.allclose(slerp(low, high, 0), low, atol=1e-6)
    assert torch.allclose(slerp(low, high, 1), high, atol=1e-6)
    assert slerp(low, high, 0.5).std().item() == pytest.approx(1, abs=0.1)


def test_nearly_equal_noises_are_mixed_the_wrong_way_round_as_in_a1111() -> None:
    low = NvStream(1).next((4, 16, 16))
    assert torch.equal(slerp(low, low * 2, 0.25), low * 0.25 + low * 2 * 0.75)


@pytest.mark.parametrize(
    ("inner", "outer"), [((8, 6), (12, 8)), ((12, 8), (8, 6)), ((8, 12), (12, 8)), ((8, 8), (8, 8))]
)
def test_the_middle_of_one_becomes_that_of_the_other(
    inner: tuple[int, int], outer: tuple[int, int]
) -> None:
    noise, around = torch.rand(4, *inner) + 1, -torch.rand(4, *outer)
    found = centred(noise, around)
    height, width = (min(pair) for pair in zip(inner, outer, strict=True))
    assert (found > 0).sum() == 4 * height * width
    middle = tuple(
        slice((n - m) // 2, (n + m) // 2) for n, m in zip(outer, (height, width), strict=True)
    )
    source = tuple(
        slice((n - m) // 2, (n + m) // 2) for n, m in zip(inner, (height, width), strict=True)
    )
    assert torch.equal(found[:, *middle], noise[:, *source])


def test_the_first_noise_is_the_mix_and_later_noise_the_seeds_own() -> None:
    noise = ImageNoise([Origin(1, 2, 0.4), Origin(3)], (4, 8, 8), source="nv", device=CPU)
    own, other, alone = NvStream(1), NvStream(2), NvStream(3)
    first = slerp(own.next((4, 8, 8)), other.next((4, 8, 8)), 0.4)
    assert torch.equal(noise.first(), torch.stack([first, alone.next((4, 8, 8))]))
    later = torch.stack([own.next((4, 8, 8)), alone.next((4, 8, 8))])
    assert torch.equal(noise(1.0, 0.5), later)


def test_a_seed_is_resized_by_its_noise_in_the_middle() -> None:
    noise = ImageNoise([Origin(5)], (4, 8, 12), source="cpu", device=CPU, resized_from=(8, 8))
    small = ImageNoise([Origin(5)], (4, 8, 8), source="cpu", device=CPU).first()[0]
    stream = torch.Generator().manual_seed(5)
    around = torch.randn((4, 8, 12), generator=stream)
    first = noise.first()[0]
    assert torch.equal(first[:, :, 2:10], small)
    assert torch.equal(first[:, :, :2], around[:, :, :2])
    assert torch.equal(noise(1.0, 0.5)[0], torch.randn((4, 8, 12), generator=stream))


def picture(engine: Engine, **changes: object) -> np.ndarray:
    values = {"prompt": "a red circle", "seed": 1, "steps": 4, "width": 64, "height": 64}
    return np.asarray(engine.generate(GenerationRequest(**values | changes)).image, np.int16)


def test_a_whole_variation_is_the_other_seeds_picture(tiny: Engine) -> None:
    whole = picture(tiny, variation_seed=2, variation_strength=1, sampler="Euler")
    assert np.abs(whole - picture(tiny, seed=2, sampler="Euler")).max() <= 1


def test_variations_of_a_batch_are_each_as_made_alone(tiny: Engine) -> None:
    base = {"prompt": "a", "seed": 1, "steps": 3, "width": 64, "height": 64}
    requests = [
        GenerationRequest(**base, variation_seed=2 + k, variation_strength=0.2 * (k + 1))
        for k in range(3)
    ]
    run = tiny.start(requests)
    list(run)
    for together, alone in zip(run.pictures(), requests, strict=True):
        apart = np.asarray(together.image, int) - np.asarray(tiny.generate(alone).image, int)
        assert np.abs(apart).max() <= 1


@pytest.mark.slow
def test_variations_are_the_nearer_the_weaker_they_are(builtin: Engine) -> None:
    base = {"prompt": "a red circle on a blue background", "steps": 12, "seed": 1}
    first = np.asarray(builtin.generate(GenerationRequest(**base)).image, float)
    errors = []
    for share in (0.02, 0.1, 0.4):
        run = builtin.start(
            [
                GenerationRequest(**base, variation_seed=9 + k, variation_strength=share)
                for k in range(6)
            ]
        )
        list(run)
        made = [np.asarray(picture.image, float) for picture in run.pictures()]
        errors.append(np.mean([np.square(each - first).mean() for each in made]))
    assert 0 < errors[0] < errors[1] < errors[2]
