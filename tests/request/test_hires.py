"""The hires fix as a request: sizes, the second pass, and what does not go with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine

from sdcli.images.upscalers import LATENT_UPSCALERS, upscaler_name
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.request.schema.upscale import enlarging


def request(**changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 1, "width": 512, "height": 768, "hires_scale": 2}
    return GenerationRequest(**(values | changes))


@pytest.mark.parametrize(
    ("scale", "wanted", "covering", "cut"),
    [
        (2.0, None, (128, 192), (128, 192)),
        (1.3, None, (83, 124), (83, 124)),  # 665 x 998 pixels
        (None, (1024, 0), (128, 192), (128, 192)),
        (None, (0, 1024), (85, 128), (85, 128)),
        (None, (1024, 1024), (128, 192), (128, 128)),
        (None, (768, 1536), (128, 192), (96, 192)),
        (None, (1024, 1536), (128, 192), (128, 192)),
    ],
)
def test_a1111s_sizes(
    scale: float | None,
    wanted: tuple[int, int] | None,
    covering: tuple[int, int],
    cut: tuple[int, int],
) -> None:
    found = enlarging((512, 768), scale=scale, wanted=wanted)
    assert (found.covering, found.cut) == (covering, cut)


def test_the_second_pass_is_img2img_with_all_its_steps() -> None:
    second = request(sampler="DPM++ 2M Karras", steps=30).second()
    assert (second.width, second.height) == (1024, 1536)
    assert (second.sampler, second.steps, second.strength) == ("DPM++ 2M", 30, 0.7)
    assert second.full_steps
    assert not second.hires


def test_the_second_pass_may_differ() -> None:
    second = request(
        hires_steps=10,
        hires_sampler="DDIM",
        scheduler="Karras",
        hires_prompt="a red fox",
        hires_negative_prompt="",
        negative_prompt="blurry",
        hires_strength=0.4,
    ).second()
    assert (second.sampler, second.scheduler, second.steps) == ("DDIM", "Automatic", 10)
    assert (second.prompt, second.negative_prompt) == ("a red fox", "")
    assert second.strength == 0.4


def test_options_that_its_sampler_lacks_are_the_first_passs_alone() -> None:
    first = request(sampler="Euler", s_churn=3, hires_sampler="DPM++ 2M Exponential")
    second = first.second()
    assert (first.s_churn, second.s_churn, second.scheduler) == (3, None, "Exponential")
    listed = request(sampler="Euler", sigmas="14,5,1,0", hires_steps=4).second()
    assert (listed.sigmas, listed.steps) == (None, 4)


@pytest.mark.parametrize(
    ("values", "schedule"),
    [
        ({"sampler": "DPM++ 2M Karras", "hires_sampler": "Euler a"}, "Karras"),
        ({"scheduler": "Karras", "hires_sampler": "Euler a"}, "Karras"),
        ({"hires_sampler": "Euler a"}, "Uniform"),
        ({"sampler": "DPM++ 2M Karras", "hires_sampler": "Euler a Exponential"}, "Exponential"),
        ({"sampler": "Euler", "scheduler": "Karras"}, "Karras"),
        (
            {"scheduler": "Karras", "hires_sampler": "Euler", "hires_scheduler": "Automatic"},
            "Uniform",
        ),
    ],
)
def test_a_schedule_that_is_named_is_the_second_passs_too(
    values: dict[str, Any], schedule: str
) -> None:
    first = request(**values)
    assert first.second().resolved_sampler.resolved_schedule.name == schedule
    again = GenerationRequest(**to_values(read_text(write_text(first)))[0])
    assert again.second().resolved_sampler.resolved_schedule.name == schedule
    assert GenerationRequest(**first.model_dump()) == first


def test_old_texts_mean_uniform_in_both_passes() -> None:
    text = (
        "a\nSteps: 20, Sampler: DDIM, Seed: 1, Size: 64x64, Hires upscale: 2, "
        "Hires sampler: DPM++ 2M, Version: v1.6.0"
    )
    found = GenerationRequest(**to_values(read_text(text))[0])
    assert found.second().resolved_sampler.resolved_schedule.name == "Uniform"


def test_an_upscaler_that_only_a1111_has_is_told_and_stops_nothing() -> None:
    text = (
        "a\nSteps: 20, Sampler: Euler, Seed: 1, Size: 64x64, Hires upscale: 2, "
        "Hires upscaler: R-ESRGAN 4x+, Version: v1.10.1"
    )
    values, rest = to_values(read_text(text))
    assert rest == {"Hires upscaler": "R-ESRGAN 4x+"}
    assert GenerationRequest(**values).hires_upscaler == "Latent"


def test_either_pass_may_be_one_that_makes_one_picture_at_a_time(
    sdcli: Any, engine: FakeEngine
) -> None:
    hires = ("--hires-scale", "2", "--hires-sampler", "DPM adaptive")
    assert sdcli("gen", "a", *hires, "-c", "3", "-o", "out/").code == 0
    assert [len(batch) for batch in engine.batches] == [1, 1, 1]


def test_extra_noise_is_of_the_second_pass() -> None:
    wanted = request(extra_noise=0.1)
    values, rest = to_values(read_text(write_text(wanted)))
    assert rest == {}
    assert GenerationRequest(**values).second().extra_noise == 0.1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hires_scale": None, "hires_steps": 3}, "there is no second pass"),
        ({"hires_scale": None, "hires_strength": 0.5}, "there is no second pass"),
        ({"hires_size": "1024x1024"}, "hires_scale already sets the size"),
        ({"hires_scale": None, "hires_size": "0x0"}, "must be above 0"),
        ({"hires_scale": None, "hires_size": "8x0"}, "sides must be from 64"),
        ({"init_img": "a.png"}, "does not work with an initial picture"),
        ({"hires_sampler": "Eular"}, "Eular"),
        ({"hires_scheduler": "Karas"}, "Karas"),
        ({"hires_sampler": "diffusers:ddim"}, "cannot start from a picture"),
        ({"hires_prompt": "<lora:a:b:c:d:e>"}, "lora"),
        ({"hires_strength": 0, "hires_steps": 3}, "makes no steps"),
        ({"hires_strength": 0, "hires_prompt": ""}, "makes no steps"),
        ({"sampler": "DDIM", "hires_scheduler": "Karras"}, "Karras"),
        ({"hires_upscaler": "Lancos"}, "unknown upscaler"),
        ({"extra_noise": 0.1, "hires_scale": None}, "no picture to start from"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        request(**values)


def test_upscalers_are_known_by_their_names_case_aside() -> None:
    for row in LATENT_UPSCALERS:
        assert upscaler_name(row.name.upper(), latents=True) == row.name
    assert request(hires_upscaler="lanczos").hires_upscaler == "Lanczos"
    assert request(hires_upscaler="my/4x.pth").hires_upscaler == "my/4x.pth"


def test_the_text_has_a1111s_keys() -> None:
    wanted = request(hires_steps=10, hires_upscaler="Latent (nearest)", hires_prompt="b: c")
    text = write_text(wanted)
    for item in (
        *("Denoising strength: 0.7", "Hires upscale: 2", "Hires upscaler: Latent (nearest)"),
        *("Hires steps: 10", 'Hires prompt: "b: c"'),
    ):
        assert item in text
    values, rest = to_values(read_text(text))
    assert rest == {}
    assert GenerationRequest(**values) == wanted


def test_loras_of_both_passes_are_told_of() -> None:
    found = request(lora=["ink:0.8"], hires_prompt="b <lora:glow:1>")
    assert [tag.name for tag in found.tags] == ["ink", "glow"]
    assert [tag.name for tag in found.second().tags] == ["glow", "ink"]


def test_gen_takes_it(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli(
        *("gen", "a fox", "--hires-scale", "2", "--hires-prompt", "a {red|blue} fox"),
        *("--hires-strength", "0.5", "-o", "b.png", "-s", "3"),
    )
    assert result.code == 0
    [made] = engine.made
    assert made.hires_prompt in ("a red fox", "a blue fox")
    assert "Hires template" in sdcli("info", "b.png").out


def test_a_network_that_is_not_there_is_told_before_anything_is_loaded(
    sdcli: Any, engine: FakeEngine
) -> None:
    result = sdcli("gen", "a", "--hires-scale", "2", "--hires-upscaler", "4x.pth")
    assert (result.code, result.lines, engine.batches) == (2, [], [])
    assert "there is no file 4x.pth" in result.err
    assert not list(Path().glob("*"))
