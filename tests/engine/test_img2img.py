"""From a picture to another: where it enters, what noise it gets, and what is left of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from quick import each_sampler

from sdcli.engine import Engine, Run
from sdcli.engine.noise.streams import NvStream
from sdcli.engine.vae.codec import decode, encode
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, Sampler
from sdcli.sampling.noise_tables import scaled_linear

TABLE = scaled_linear()


def request(picture: Path, **changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 7, "steps": 8, "init_img": str(picture)}
    return GenerationRequest(**(values | changes))


def pixels(engine: Engine, wanted: GenerationRequest) -> np.ndarray:
    return np.asarray(engine.generate(wanted).image, np.int16)


def clean(engine: Engine, picture: Path) -> torch.Tensor:
    vae, space = engine._components.networks["vae"], engine.model.latents
    return encode(vae, Image.open(picture), space=space, device=torch.device("cpu"))


def test_at_strength_0_the_picture_comes_back_as_the_vae_tells_it(
    tiny: Engine, picture: Path
) -> None:
    vae, space = tiny._components.networks["vae"], tiny.model.latents
    [wanted] = decode(vae, clean(tiny, picture), space=space, say=print)
    made = tiny.generate(request(picture, strength=0))
    assert np.array_equal(np.asarray(made.image), np.asarray(wanted))
    assert made.evaluations == 0


@pytest.mark.parametrize("name", ["Euler", "DPM++ 2M Karras"])
def test_it_gets_the_noise_of_the_first_sigma(tiny: Engine, picture: Path, name: str) -> None:
    wanted = request(picture, sampler=name, strength=0.5)
    noise = NvStream(7).next((4, 8, 8))
    sigma = wanted.tail(TABLE).sigmas[0]
    assert torch.allclose(start(tiny, wanted), clean(tiny, picture) + sigma * noise, atol=1e-4)
    more = request(picture, sampler=name, strength=0.5, noise_multiplier=0.9, extra_noise=0.1)
    expected = clean(tiny, picture) + (sigma + 0.1) * 0.9 * noise
    assert torch.allclose(start(tiny, more), expected, atol=1e-4)


def test_ddim_gets_the_noise_of_one_timestep_more(tiny: Engine, picture: Path) -> None:
    """√ᾱ·picture + √(1 − ᾱ)·noise at timesteps[t_enc], and from there as if one lower."""
    wanted = request(picture, sampler="DDIM", steps=20, strength=0.75, extra_noise=0.1)
    noise, sigma = NvStream(7).next((4, 8, 8)), TABLE.sigmas[751]
    alpha = 1 / math.hypot(1, sigma)
    unit = alpha * clean(tiny, picture) + alpha * sigma * noise + 0.1 * alpha * noise
    assert torch.allclose(
        start(tiny, wanted), unit * math.hypot(1, TABLE.sigmas[701]), rtol=1e-4, atol=1e-4
    )


def start(engine: Engine, wanted: GenerationRequest) -> torch.Tensor:
    """What the solver begins with."""
    run = engine.start([wanted])
    assert isinstance(run, Run)
    states = run._start()
    try:
        while True:
            next(states)
    except StopIteration as end:
        found: torch.Tensor = end.value
        return found


@each_sampler()
def test_every_sampler_makes_the_calls_of_its_tail(
    tiny: Engine, picture: Path, row: Sampler, subtests: pytest.Subtests
) -> None:
    for strength in (0.75,) if row.adaptive else (0.1, 0.5, 0.75, 1.0):
        with subtests.test(strength=strength):
            wanted = request(picture, sampler=row.name, steps=5, strength=strength, cfg_scale=2)
            made = tiny.generate(wanted)
            if not row.adaptive:
                sampler = wanted.resolved_sampler.on(tiny.model.table)
                sigmas = wanted.tail(TABLE).sigmas
                assert made.evaluations == (sampler.total_evaluations(sigmas) if sigmas else 0)


@pytest.fixture(scope="module")
def boat(builtin: Engine) -> Image.Image:
    """A picture that the shipped model made."""
    prompt = "a boat by the sea at sunset"
    return builtin.generate(GenerationRequest(prompt=prompt, seed=3, cfg_scale=5)).image


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [row for row in SAMPLERS if not row.consistency],
    ids=lambda row: row.name,
)
def test_the_stronger_it_is_the_less_is_left_of_the_picture(
    builtin: Engine, boat: Image.Image, tmp_path: Path, row: Sampler
) -> None:
    boat.save(tmp_path / "boat.png")
    scale = 1.5 if row.unguided and row.guidance_divisor == 1 else 4.0
    errors = []
    for strength in (0.0, 0.3, 0.6, 1.0):
        wanted = request(
            tmp_path / "boat.png",
            prompt="a red house in the snow at night",
            sampler=row.name,
            strength=strength,
            cfg_scale=scale,
            steps=12,
        )
        made = np.asarray(builtin.generate(wanted).image, np.float64)
        errors.append(np.square(made - np.asarray(boat)).mean())
    assert errors[0] < errors[1] < errors[2] < errors[3] * 1.1


def test_all_steps_are_made_where_that_is_asked_for(tiny: Engine, picture: Path) -> None:
    made = tiny.generate(request(picture, sampler="Euler", strength=0.4, full_steps=True))
    assert made.evaluations == 8


@pytest.mark.slow
def test_pictures_of_a_batch_are_each_as_made_alone(tiny: Engine, picture: Path) -> None:
    requests = [request(picture, seed=seed, sampler="DPM++ SDE") for seed in (1, 2, 3)]
    run = tiny.start(requests)
    steps = list(run)
    assert steps[-1].index == steps[-1].steps == 7
    for together, alone in zip(run.pictures(), requests, strict=True):
        assert np.abs(np.asarray(together.image, np.int16) - pixels(tiny, alone)).max() <= 1


def test_it_may_come_to_its_size_as_latents(tiny: Engine, picture: Path) -> None:
    wanted = request(picture, strength=0, resize_mode="latent", width=96, height=64)
    latents = torch.nn.functional.interpolate(clean(tiny, picture), size=(8, 12), mode="bilinear")
    vae, space = tiny._components.networks["vae"], tiny.model.latents
    [expected] = decode(vae, latents, space=space, say=print)
    assert np.array_equal(pixels(tiny, wanted), np.asarray(expected))


def test_a_prompts_times_are_those_of_the_whole_run(tiny: Engine, picture: Path) -> None:
    """A1111: half of 8 steps is call 4, although the run at strength 0.5 has but five."""
    options = {"sampler": "Euler", "strength": 0.5}
    edited = pixels(tiny, request(picture, prompt="[fox:hen:0.5]", **options))
    assert np.array_equal(edited, pixels(tiny, request(picture, prompt="fox", **options)))
