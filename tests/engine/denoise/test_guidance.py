"""Guidance: what is made of what prompts and negative prompts believe, and its refinements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.denoise.guidance import Guidance, Skip, rescaled, thresholded
from sdcli.request import GenerationRequest
from sdcli.sampling.paths import PATHS


def by_row(values: list[float]) -> Any:
    """A denoiser whose row k believes values[k] everywhere."""
    return lambda x, sigma: torch.tensor(values).reshape(-1, 1, 1, 1).expand_as(x)


@pytest.mark.parametrize(("scale", "believed"), [(0.0, 2.0), (1.0, 5.0), (7.0, 23.0)])
def test_guidance_goes_from_negative_to_prompt_and_beyond(scale: float, believed: float) -> None:
    """D_u + scale·(D_c − D_u): 0 is the negative prompt's picture, 1 the prompt's."""
    x = torch.zeros(1, 4, 2, 2)
    guided = Guidance(by_row([5.0, 2.0]), scale)(x, 1.0)
    assert torch.equal(guided, torch.full_like(x, believed))


def test_guidance_keeps_the_images_apart() -> None:
    """Rows are prompts first, then negatives: image k takes k and k + n."""
    x = torch.zeros(2, 1, 1, 1)
    believed = Guidance(by_row([1.0, 10.0, 0.0, 4.0]), 2.0)(x, 1.0)
    assert believed.flatten().tolist() == [2.0, 16.0]


def test_the_unguided_belief_is_told_beside_the_guided_one() -> None:
    x = torch.zeros(1, 1, 1, 1)
    denoise = Guidance(by_row([5.0, 2.0]), 3.0)
    assert [believed.item() for believed in denoise.both(x, 1.0)] == [11.0, 2.0]


def test_prompts_are_composed_by_their_weights() -> None:
    """D_u + Σ wₖ·scale·(D_k − D_u), image by image; rows are the prompts, then the negatives."""
    x = torch.zeros(2, 1, 1, 1)
    rows = by_row([5.0, 3.0, 10.0, 2.0, 4.0])
    denoise = Guidance(rows, 2.0, [[1.0, -0.5], [1.0]])
    guided, without = denoise.both(x, 1.0)
    assert guided.flatten().tolist() == [2 + 2 * 3 - 1, 4 + 2 * 6]
    assert without.flatten().tolist() == [2.0, 4.0]
    one = Guidance(by_row([5.0, 2.0]), 2.0, [[0.5]])
    assert one(x[:1], 1.0).item() == 2 + 3


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 4, 8, 8)), generator=torch.Generator().manual_seed(seed))


class Asked:
    """A denoiser that believes fixed rows, and notes how many it was asked for."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.counts: list[int] = []

    def __call__(self, x: Tensor, _: float) -> Tensor:
        self.counts.append(len(x))
        return self.rows[: len(x)]


@pytest.mark.parametrize(
    ("skip", "asked"),
    [
        (Skip(8, early=0.25), [1, 1, 1, 2, 2, 2, 2, 2]),
        (Skip(8, below=5), [2, 2, 2, 2, 2, 1, 2, 1]),
        (Skip(8, below=5, every=True), [2, 2, 2, 2, 1, 1, 1, 1]),
        (Skip(8, below=1000, level=lambda sigma: 300 * sigma), [2, 2, 2, 2, 2, 1, 2, 1]),
        (Skip(8), [2] * 8),
    ],
)
def test_the_negative_prompts_are_skipped_as_a1111_skips_them(skip: Skip, asked: list[int]) -> None:
    """At σ = 8, 7, … 1; what is skipped leaves what the prompt believes."""
    believed = Asked(torch.tensor([5.0, 2.0]).reshape(2, 1, 1, 1))
    guided = Guidance(believed, 3.0, prompts=believed, skip=skip)
    made = [guided(torch.zeros(1, 1, 1, 1), 8.0 - call).item() for call in range(8)]
    assert believed.counts == asked
    assert made == [5.0 if count == 1 else 11.0 for count in asked]


def test_where_it_is_skipped_the_first_of_several_prompts_takes_its_place() -> None:
    believed = Asked(torch.tensor([5.0, 3.0, 10.0]).reshape(3, 1, 1, 1))
    guided = Guidance(
        believed, 2.0, [[1.0, -0.5], [1.0]], prompts=believed, skip=Skip(2, early=1.0)
    )
    made, without = guided.both(torch.zeros(2, 1, 1, 1), 1.0)
    assert made.flatten().tolist() == [5 - 0.5 * (3 - 5), 10]
    assert without.flatten().tolist() == [5, 10]


@pytest.mark.parametrize("v_prediction", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_rescaled_guidance_is_diffusers(v_prediction: bool, share: float) -> None:
    """Of what the network says: ε, or v, each of which is told from x̂₀ and x."""
    sigma, x, prompts, without = 3.0, noise(0) * 3, noise(1), noise(2)
    guided = without + (prompts - without) * 7

    def said(believed: Tensor) -> Tensor:
        if v_prediction:
            return (x / (sigma**2 + 1) - believed) * (sigma**2 + 1) ** 0.5 / sigma
        return (x - believed) / sigma

    def believed(said_: Tensor) -> Tensor:
        if v_prediction:
            return x / (sigma**2 + 1) - said_ * sigma / (sigma**2 + 1) ** 0.5
        return x - said_ * sigma

    wanted = believed(rescale_noise_cfg(said(guided), said(prompts), share))
    made = rescaled(share, PATHS["v_prediction" if v_prediction else "epsilon"])(
        x, guided, prompts, without, sigma
    )
    assert torch.allclose(made, wanted, atol=1e-4)


def deviation(x: Tensor) -> Tensor:
    return (x - x.mean(dim=(2, 3), keepdim=True)).abs().amax(dim=(2, 3))


def test_thresholded_guidance_has_the_contrast_of_the_lower_scale() -> None:
    """Channel by channel; the mean is that of the higher one."""
    prompts, without = noise(1), noise(2)
    at = {scale: without + (prompts - without) * scale for scale in (4.0, 12.0)}
    made = thresholded(12.0, 4.0, 1.0)(prompts, at[12.0], prompts, without, 1.0)
    assert torch.allclose(deviation(made), deviation(at[4.0]), rtol=1e-5)
    assert torch.allclose(made.mean(dim=(2, 3)), at[12.0].mean(dim=(2, 3)), atol=1e-5)
    clipped = thresholded(12.0, 4.0, 0.9)(prompts, at[12.0], prompts, without, 1.0)
    greatest = (clipped - at[12.0].mean(dim=(2, 3), keepdim=True)).abs()
    reached = (greatest > 0.999 * greatest.amax(dim=(2, 3), keepdim=True)).float().mean()
    assert 0.05 < reached < 0.15


def test_perturbed_guidance_leads_away_from_what_is_perturbed() -> None:
    x = torch.zeros(1, 1, 1, 1)
    guided = Guidance(by_row([5.0, 2.0]), 3.0, perturbed=by_row([4.0]), pag=2.0)
    assert guided(x, 1.0).item() == 11 + 2 * (5 - 4)


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Engine:
    return Engine.load(str(tiny_folder), device="cpu")


def picture(engine: Engine, **changes: Any) -> np.ndarray:
    request = GenerationRequest(prompt="a fox", seed=1, steps=4, **changes)
    return np.asarray(engine.generate(request).image, np.int16)


@pytest.mark.parametrize(
    "changes",
    [
        {"cfg_rescale": 0.7},
        {"mimic_scale": 3.0, "threshold_percentile": 0.9},
        {"skip_early_cfg": 0.5},
        {"ngms": 5.0},
        {"ngms": 5.0, "ngms_all": True},
        {"pag_scale": 3.0},
        {"pag_scale": 3.0, "cfg_scale": 1.0},
    ],
    ids=str,
)
def test_each_refinement_changes_the_picture(tiny: Engine, changes: dict[str, float]) -> None:
    plain = {key: value for key, value in changes.items() if key == "cfg_scale"}
    assert not np.array_equal(picture(tiny, **changes), picture(tiny, **plain))


def test_perturbed_attention_without_guidance_never_asks_the_negative_prompt(tiny: Engine) -> None:
    one, other = (
        picture(tiny, pag_scale=3.0, cfg_scale=1.0, negative_prompt=negative)
        for negative in ("", "blue")
    )
    assert np.array_equal(one, other)


def test_the_scale_to_mimic_is_counted_as_the_sampler_counts_scales(tiny: Engine) -> None:
    """DDIM CFG++ divides both: mimicking nearly its own scale changes nearly nothing."""
    options = {"sampler": "DDIM CFG++", "cfg_scale": 12.0}
    difference = picture(tiny, **options) - picture(tiny, **options, mimic_scale=11.99)
    assert np.abs(difference).max() <= 2


def test_perturbing_leaves_the_network_as_it_was(tiny: Engine) -> None:
    before = picture(tiny)
    picture(tiny, pag_scale=3.0)
    assert np.array_equal(picture(tiny), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cfg_rescale": 0.5, "cfg_scale": 1}, "there is no guidance"),
        ({"ngms": 2.0, "cfg_scale": 1}, "there is no guidance"),
        ({"mimic_scale": 0.0, "cfg_scale": 1}, "there is no guidance"),
        ({"mimic_scale": 9.0}, "below the CFG scale"),
        ({"threshold_percentile": 0.9}, "without a mimic scale"),
        ({"ngms_all": True}, "without NGMS"),
    ],
)
def test_what_would_do_nothing_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GenerationRequest(prompt="a fox", seed=1, **changes)
