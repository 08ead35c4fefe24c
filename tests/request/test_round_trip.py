"""Every field of a request comes back: from a picture's text, its command, and its preset."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.images.formats import encode
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text

IMG = {"init_img": "in.png"}
MASKED = IMG | {"mask": "alpha"}
TILES = IMG | {"width": 128, "height": 128}
HIRES = {"hires_scale": 1.5}
REPAINTED = MASKED | {"inpaint_method": "repaint"}
INVERTED = {"init_img": "in.png", "invert": True, "sampler": "Euler"}

# A value for each field that is not its default, with what it needs to have a meaning.
EXAMPLES: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": "a fox: red, [old:young:0.5]"},
    "negative_prompt": {"negative_prompt": "blurry\nNegative prompt: x"},
    "emphasis": {"emphasis": "no-norm"},
    "width": {"width": 128, "height": 64},
    "height": {"width": 64, "height": 128},
    "tiling": {"tiling": True},
    "model": {"model": "owner/name"},
    "lora": {"lora": ["ink:0.8"]},
    "clip_skip": {"clip_skip": 2},
    "vae": {"vae": "vae-ft.safetensors"},
    "sampler": {"sampler": "Euler a"},
    "scheduler": {"scheduler": "Exponential"},
    "steps": {"steps": 7},
    "cfg_scale": {"cfg_scale": 5.5},
    "seed": {"seed": 2**64 - 1},
    "eta": {"sampler": "Euler a", "eta": 0.3},
    "s_churn": {"sampler": "Euler", "s_churn": 3.0},
    "s_tmin": {"sampler": "Euler", "s_tmin": 0.2},
    "s_tmax": {"sampler": "Euler", "s_tmax": 9.0},
    "s_noise": {"sampler": "Euler", "s_noise": 1.01},
    "rtol": {"sampler": "DPM adaptive", "rtol": 0.1},
    "atol": {"sampler": "DPM adaptive", "atol": 0.01},
    "max_evals": {"sampler": "DPM adaptive", "max_evals": 50},
    "sigma_min": {"scheduler": "Karras", "sigma_min": 0.1},
    "sigma_max": {"scheduler": "Karras", "sigma_max": 10.0},
    "rho": {"scheduler": "Karras", "rho": 5.0},
    "sigmas": {"sampler": "Euler", "sigmas": "9,3,1,0"},
    "timesteps": {"sampler": "Euler", "timesteps": "999,500,20"},
    "rng": {"rng": "cpu"},
    "ensd": {"sampler": "Euler a", "ensd": 31337},
    "cfg_rescale": {"cfg_rescale": 0.7},
    "mimic_scale": {"mimic_scale": 3.0},
    "threshold_percentile": {"mimic_scale": 3.0, "threshold_percentile": 0.99},
    "skip_early_cfg": {"skip_early_cfg": 0.1},
    "ngms": {"ngms": 2.0},
    "ngms_all": {"ngms": 2.0, "ngms_all": True},
    "pag_scale": {"pag_scale": 3.0},
    "token_merging_ratio": {"token_merging_ratio": 0.5},
    "token_merging_ratio_hr": HIRES | {"token_merging_ratio_hr": 0.25},
    "deep_cache": {"deep_cache": 3},
    "variation_seed": {"variation_seed": 9, "variation_strength": 0.1},
    "variation_strength": {"variation_seed": 0, "variation_strength": 0.25},
    "seed_resize": {"seed_resize": "512x768"},
    "init_img": IMG,
    "strength": IMG | {"strength": 0.4},
    "full_steps": IMG | {"full_steps": True},
    "resize_mode": IMG | {"resize_mode": "fill"},
    "noise_multiplier": IMG | {"noise_multiplier": 0.95},
    "extra_noise": IMG | {"extra_noise": 0.05},
    "mask": IMG | {"mask": "my mask, 2.png"},
    "mask_rect": IMG | {"mask_rect": ["0,0,32,48", "8,8,24,32"]},
    "outpaint": IMG | {"outpaint": "left=64,top=32"},
    "mask_blur": MASKED | {"mask_blur": 0},
    "invert_mask": MASKED | {"invert_mask": True},
    "soft_mask": MASKED | {"soft_mask": True},
    "inpaint_fill": MASKED | {"inpaint_fill": "noise"},
    "inpaint_area": MASKED | {"inpaint_area": "masked"},
    "padding": MASKED | {"inpaint_area": "masked", "padding": 8},
    "inpaint_method": REPAINTED,
    "repaint_jump": REPAINTED | {"repaint_jump": 5},
    "repaint_times": REPAINTED | {"repaint_times": 2},
    "upscale": TILES | {"upscale": 2.0},
    "upscaler": TILES | {"upscale": 2.0, "upscaler": "Nearest"},
    "tile_overlap": TILES | {"upscale": 2.0, "tile_overlap": 32},
    "hires_scale": HIRES,
    "hires_size": {"hires_size": "1024x0"},
    "hires_upscaler": HIRES | {"hires_upscaler": "Lanczos"},
    "hires_strength": HIRES | {"hires_strength": 0.45},
    "hires_steps": HIRES | {"hires_steps": 9},
    "hires_sampler": HIRES | {"hires_sampler": "Euler a"},
    "hires_scheduler": HIRES | {"hires_scheduler": "Karras"},
    "hires_prompt": HIRES | {"hires_prompt": "a, b"},
    "hires_negative_prompt": HIRES | {"hires_negative_prompt": ""},
    "old_timelines": {"old_timelines": True},
    "invert": INVERTED,
    "invert_prompt": INVERTED | {"invert_prompt": "a hen"},
}


OF_FILES = ("lora", "model", "vae")  # which this test does not have


def test_every_field_has_an_example() -> None:
    assert EXAMPLES.keys() == GenerationRequest.model_fields.keys()


def test_every_field_comes_back_from_a_pictures_text(subtests: pytest.Subtests) -> None:
    plain = GenerationRequest(prompt="a fox", seed=1)
    for field, example in EXAMPLES.items():
        with subtests.test(field):
            values = {"prompt": "a fox", "seed": 1} | example
            request = GenerationRequest(**values)
            if field != "lora":  # which becomes a tag of the prompt
                assert getattr(request, field) != getattr(plain, field)
            found, rest = to_values(read_text(write_text(request)))
            assert rest == {}
            again = GenerationRequest(**found)
            written = {"strength": 0.75} if "init_img" in values and "invert" not in values else {}
            assert again.model_dump() == written | request.model_dump(
                exclude=set(written) if request.strength is None else set()
            )


@pytest.mark.slow
@pytest.mark.parametrize("field", [key for key in EXAMPLES if key not in OF_FILES])
def test_every_field_comes_back_from_a_pictures_command_preset_and_text(
    sdcli: Any, engine: FakeEngine, field: str
) -> None:
    page = Image.new("RGBA", (64, 64))
    page.paste("red", (0, 0, 32, 64))
    page.save("in.png")
    Image.new("L", (64, 64), 255).save("my mask, 2.png")
    values = {"prompt": "a fox", "seed": 1, "width": 64, "height": 64} | EXAMPLES[field]
    request = GenerationRequest(**values)
    Path("made.png").write_bytes(encode(page, write_text(request), "png", quality=1))
    command = shlex.split(sdcli("info", "--as-command", "made.png").out)
    assert sdcli(*command[1:], "-o", "again.png").code == 0
    Path("presets").mkdir()
    Path("presets/mine.toml").write_text(sdcli("info", "--as-preset", "made.png").out)
    again = ["gen", request.prompt, "--preset", "mine", "-o", "third.png", "-s", str(request.seed)]
    own = [word for key in ("init_img", "mask") if key in values for word in typed(key, values)]
    assert sdcli(*again, *own).code == 0
    assert sdcli("again", "made.png", "-o", "fourth.png").code == 0
    assert len(engine.made) == 3
    for made in engine.made:
        assert made.model_dump(exclude={"strength"}) == request.model_dump(exclude={"strength"})


def typed(key: str, values: dict[str, Any]) -> list[str]:
    return [f"--{key.replace('_', '-')}", values[key]]
