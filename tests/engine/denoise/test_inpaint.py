"""Inpainting on a model: what is kept, what is made anew, and how the two are shown to it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import write_family
from PIL import Image
from quick import each_sampler

from sdcli.engine import Engine, Run
from sdcli.engine.denoise.inpaint import Blend, InputBlend, hard, latent_mask, soft
from sdcli.engine.noise.streams import NvStream
from sdcli.request import GenerationRequest
from sdcli.sampling import Sampler, resolve
from sdcli.sampling.paths import EPSILON
from sdcli.sampling.solvers.repaint import resampled, stretches

MASK = {"mask_rect": "32,0,32,64", "mask_blur": 0}


def request(picture: Path, **changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 7, "steps": 6, "init_img": str(picture), "cfg_scale": 2}
    return GenerationRequest(**(values | MASK | changes))


def started(engine: Engine, wanted: GenerationRequest) -> Run:
    run = engine.start([wanted])
    assert isinstance(run, Run)
    return run


def pixels(engine: Engine, wanted: GenerationRequest) -> np.ndarray:
    return np.asarray(engine.generate(wanted).image, np.int16)


@each_sampler()
def test_every_sampler_keeps_what_is_not_masked(tiny: Engine, picture: Path, row: Sampler) -> None:
    made = pixels(tiny, request(picture, sampler=row.name, steps=8))
    old = np.asarray(Image.open(picture), np.int16)
    assert np.array_equal(made[:, :32], old[:, :32])
    assert np.abs(made[:, 32:] - old[:, 32:]).mean() > 1


def test_a_soft_edge_lies_between_old_and_new(tiny: Engine, picture: Path) -> None:
    old = np.asarray(Image.open(picture), np.int16)
    made = pixels(tiny, request(picture, mask_blur=4))
    differing = np.flatnonzero(np.abs(made - old).max(axis=(0, 2)))
    assert 22 <= differing.min() <= 31


def test_the_belief_is_the_picture_where_it_is_kept() -> None:
    """A1111: D·nmask + init·mask, of samplers that think in σ."""
    picture, x = torch.rand(2, 4, 2, 2), torch.rand(2, 4, 2, 2)
    mask = torch.tensor([[0.0, 0.4], [0.6, 1.0]])[None, None]
    kept = Blend(lambda x, sigma: x + sigma, picture, hard(mask))
    found = kept(x, 3.0)
    assert torch.equal(found[..., 0, :], picture[..., 0, :])
    assert torch.equal(found[..., 1, :], x[..., 1, :] + 3.0)


def test_what_thinks_in_timesteps_sees_the_picture_without_noise() -> None:
    """A1111: the UNet is given x·nmask + init·mask, and its ε is taken for that of x."""
    picture, x = torch.rand(1, 4, 2, 2), torch.rand(1, 4, 2, 2)
    mask = torch.tensor([[0.0, 0.0], [1.0, 1.0]])[None, None]
    seen = []

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append(x / math.hypot(1, sigma))
        return x - sigma * 0.25  # ε is a quarter everywhere

    found = InputBlend(denoise, picture, hard(mask), EPSILON)(x, 2.0)
    assert torch.allclose(seen[0][..., 0, :], picture[..., 0, :])
    assert torch.allclose(seen[0][..., 1, :], x[..., 1, :] / math.hypot(1, 2.0))
    assert torch.allclose(found, x - 0.5)


def test_soft_masks_join_by_and_by() -> None:
    mask = torch.tensor([[0.0, 0.25], [0.5, 1.0]])[None, None]
    anew = soft(mask, (8.0, 4.0, 2.0, 1.0, 0.0))
    shares = [anew(sigma).flatten().tolist() for sigma in (8.0, 4.0, 3.0, 2.0, 1.0)]
    assert shares == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]]


def test_the_lighter_a_soft_mask_the_more_changes(tiny: Engine, tmp_path: Path) -> None:
    levels = np.full((64, 64), 0, np.uint8)
    for place, level in enumerate((0, 90, 170, 255)):
        levels[:, 16 * place : 16 * place + 16] = level
    Image.fromarray(levels).save(tmp_path / "mask.png")
    Image.new("RGB", (64, 64), (128, 90, 60)).save(tmp_path / "in.png")
    wanted = request(
        tmp_path / "in.png",
        **{"mask_rect": (), "mask": str(tmp_path / "mask.png"), "soft_mask": True, "steps": 12},
        strength=1,
    )
    run = started(tiny, wanted)
    list(run)
    assert run._latents is not None
    changed = (run._latents - run._begin.picture()).square().mean(dim=(0, 1, 2))
    groups = changed.reshape(4, 2).mean(1)
    assert groups[0] == 0
    assert 0 < groups[1] < groups[3]
    assert groups[2] > 0


@pytest.mark.parametrize("fill", ["noise", "nothing"])
def test_latents_under_the_mask_are_replaced(tiny: Engine, picture: Path, fill: str) -> None:
    plain = started(tiny, request(picture))._begin
    begin = started(tiny, request(picture, inpaint_fill=fill))._begin
    assert torch.equal(begin.picture()[..., :4].isfinite(), plain.picture()[..., :4].isfinite())
    new = NvStream(7).next((4, 8, 8)) if fill == "noise" else torch.zeros(4, 8, 8)
    assert torch.equal(begin.picture()[0, ..., 4:], new[..., 4:])


def test_the_latent_mask_is_the_mask_eight_times_smaller() -> None:
    page = Image.new("L", (64, 128))
    page.paste(255, (0, 0, 16, 128))
    found = latent_mask(page, (16, 8), torch.device("cpu")).round()
    assert found.shape == (1, 1, 16, 8)
    assert torch.equal(found[0, 0, 3], torch.tensor([1.0, 1, 0, 0, 0, 0, 0, 0]))


def test_an_inpainting_model_sees_the_mask_and_the_rest(tmp_path: Path, picture: Path) -> None:
    folder = write_family(tmp_path / "model", "sd1-inpainting")
    engine = Engine.load(str(folder), device="cpu")
    run = started(engine, request(picture))
    beside = run._counted._beside
    assert beside is not None
    assert beside.shape == (1, 5, 8, 8)
    assert torch.equal(beside[0, 0], torch.tensor([0.0, 0, 0, 0, 1, 1, 1, 1]).expand(8, 8))
    grey = request(picture, mask_rect="0,0,64,64")
    whole = started(engine, grey)._counted._beside
    assert whole is not None
    empty = started(engine, GenerationRequest(prompt="a", seed=1, width=64, height=64))
    assert empty._counted._beside is not None
    assert torch.allclose(whole, empty._counted._beside, atol=1e-6)
    assert not torch.allclose(beside[:, 1:], whole[:, 1:], atol=1e-3)


def test_resampling_goes_back_up_and_down_again() -> None:
    """With a belief of 0 and Euler every state is x·σ/σ₀ and what noise was added since."""
    levels = (8.0, 4.0, 2.0, 1.0, 0.5, 0.0)
    assert stretches(levels, 2) == [(8.0, 4.0, 2.0), (2.0, 1.0, 0.5, 0.0)]
    assert stretches(levels, 9) == [levels]
    asked: list[tuple[float, float]] = []

    def noise(sigma: float, sigma_next: float, /) -> float:
        asked.append((sigma, sigma_next))
        return 1.0

    def solve(x: float, sigmas: Any) -> Any:
        return resolve("Euler").solve(lambda x, sigma: 0.0, x, sigmas, noise)

    found = list(resampled(solve, 8.0, levels, noise, jump=2, times=2))
    up = math.sqrt(64 - 4)
    assert found[:4] == pytest.approx([4, 2, (2 + up) / 2, (2 + up) / 4])
    assert asked == [(2.0, 8.0), (0.0, 2.0)]
    assert len(found) == 2 * 2 + 2 * 3
    assert found[-1] == 0


@pytest.mark.parametrize("name", ["Euler", "DDIM", "UniPC", "PLMS"])
def test_stretches_of_a_run_are_the_run(name: str) -> None:
    """Each made once, a solver of one step ends where it would without cuts."""
    row = resolve(name)
    levels = row.sigmas(20)

    def solve(x: float, sigmas: Any) -> Any:
        return row.solve(lambda x, sigma: 0.3 * x / (1 + sigma**2) ** 0.5, x, sigmas, noise)

    def noise(sigma: float, sigma_next: float, /) -> float:
        raise AssertionError("no noise is needed")

    [*_, whole] = solve(10.0, levels)
    [*_, cut] = resampled(solve, 10.0, levels, noise, jump=5, times=1, end_scale=row.end_scale)
    assert cut == pytest.approx(whole, rel=1e-9 if row.order == 1 else 0.2)


def test_repaint_makes_the_calls_that_it_says(tiny: Engine, picture: Path) -> None:
    wanted = request(
        picture,
        **{"sampler": "Euler a", "steps": 12, "strength": 1, "inpaint_method": "repaint"},
        repaint_jump=4,
        repaint_times=3,
    )
    run = tiny.start([wanted])
    steps = list(run)
    [made] = run.pictures()
    assert made.evaluations == 36
    assert steps[-1].done == 1
    old = np.asarray(Image.open(picture), np.int16)
    assert np.array_equal(np.asarray(made.image, np.int16)[:, :32], old[:, :32])


def test_masked_pictures_of_a_batch_are_each_as_made_alone(tiny: Engine, picture: Path) -> None:
    requests = [request(picture, seed=seed, inpaint_fill="noise") for seed in (1, 2, 3)]
    run = tiny.start(requests)
    list(run)
    for together, alone in zip(run.pictures(), requests, strict=True):
        assert np.abs(np.asarray(together.image, np.int16) - pixels(tiny, alone)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["blend", "repaint"])
def test_the_prompts_colour_appears_under_the_mask(
    builtin: Engine, tmp_path: Path, method: str
) -> None:
    first = builtin.generate(
        GenerationRequest(prompt="a red circle on a blue background", seed=3, cfg_scale=5)
    ).image
    first.save(tmp_path / "in.png")
    side = first.width
    wanted = GenerationRequest(
        prompt="a yellow square on a yellow background",
        seed=5,
        cfg_scale=5,
        init_img=str(tmp_path / "in.png"),
        mask_rect=f"0,0,{side // 2},{side}",
        strength=1,
        inpaint_method=method,
        repaint_times=10 if method == "blend" else 3,
        inpaint_fill="noise",
    )
    made = np.asarray(builtin.generate(wanted).image, np.int16)
    old = np.asarray(first, np.int16)
    assert np.array_equal(made[:, side // 2 + 10 :], old[:, side // 2 + 10 :])
    inner = made[16:-16, 8 : side // 2 - 16]
    yellow = (inner[..., 0] > 150) & (inner[..., 1] > 120) & (inner[..., 2] < 110)
    assert yellow.mean() > 0.5
