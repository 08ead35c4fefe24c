"""Pictures of other programs: what made them, as requests, and what cannot be honoured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values
from sdcli.sources.recipes import read_recipe
from sdcli.sources.recipes.comfyui import comfyui_values
from sdcli.sources.recipes.invokeai import invokeai_values, old_invokeai_values


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


NODES = {
    "3": node(
        "KSampler",
        **{"seed": 42, "steps": 25, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras"},
        **{"denoise": 1.0, "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0]},
        latent_image=["5", 0],
    ),
    "4": node("CheckpointLoaderSimple", ckpt_name="sd15/dreamshaper_8.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text="a red fox", clip=["10", 1]),
    "7": node("CLIPTextEncode", text="rain", clip=["10", 1]),
    "8": node("VAEDecode", samples=["3", 0], vae=["11", 0]),
    "9": node("SaveImage", images=["8", 0]),
    "10": node(
        "LoraLoader",
        **{"lora_name": "ink.safetensors", "strength_model": 0.8, "strength_clip": 0.6},
        **{"model": ["4", 0], "clip": ["12", 0]},
    ),
    "11": node("VAELoader", vae_name="ft-mse.safetensors"),
    "12": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["4", 1]),
}


def save(name: str, **chunks: str) -> Path:
    info = PngInfo()
    for key, text in chunks.items():
        info.add_text(key, text)
    Image.new("RGB", (64, 64)).save(name, pnginfo=info)
    return Path(name)


def schedule(request: GenerationRequest) -> str:
    return request.resolved_sampler.resolved_schedule.name


def test_comfyuis_nodes() -> None:
    values, rest = comfyui_values(json.dumps(NODES))
    request = GenerationRequest(**values)
    assert request.prompt == "a red fox <lora:ink:0.6:0.8>"
    assert (request.negative_prompt, request.seed, request.steps) == ("rain", 42, 25)
    assert (request.sampler, schedule(request)) == ("DPM++ 2M", "Karras")
    assert (request.cfg_scale, request.width, request.height) == (6.5, 512, 768)
    assert (request.model, request.vae, request.clip_skip) == ("dreamshaper_8", "ft-mse", 2)
    assert (request.rng, request.emphasis) == ("cpu", "original")
    assert rest == {}


@pytest.mark.parametrize(
    ("sampler", "scheduler", "expected"),
    [
        ("euler_ancestral", "normal", ("Euler a", "Normal")),
        ("dpmpp_sde_gpu", "exponential", ("DPM++ SDE", "Exponential")),
        ("heun", "sgm_uniform", ("Heun", "SGM Uniform")),
        ("euler", "ddim_uniform", ("Euler", "DDIM")),
        ("euler", "beta", ("Euler", "Beta")),
        ("lms", "simple", ("LMS", "Simple")),
        ("dpm_2_ancestral", "kl_optimal", ("DPM2 a", "KL Optimal")),
    ],
)
def test_comfyuis_names(sampler: str, scheduler: str, expected: tuple[str, str]) -> None:
    nodes = json.loads(json.dumps(NODES))
    nodes["3"]["inputs"] |= {"sampler_name": sampler, "scheduler": scheduler}
    request = GenerationRequest(**comfyui_values(json.dumps(nodes))[0])
    assert (request.sampler, request.scheduler) == expected


def test_comfyuis_img2img_and_what_it_has_beside() -> None:
    nodes = json.loads(json.dumps(NODES))
    nodes["3"]["inputs"] |= {"latent_image": ["20", 0], "denoise": 0.6}
    nodes["20"] = node("VAEEncode", pixels=["21", 0], vae=["4", 2])
    nodes["21"] = node("LoadImage", image="cat.png")
    nodes["30"] = node("ControlNetApply", strength=1.0)
    nodes["6"]["inputs"]["text"] = ["31", 0]
    nodes["31"] = node("PrimitiveString", value="a (red:1.2) fox")
    values, rest = comfyui_values(json.dumps(nodes))
    assert (values["init_img"], values["strength"], values["full_steps"]) == ("cat.png", 0.6, True)
    assert values["prompt"].startswith("a (red:1.2) fox")
    assert values["emphasis"] == "no-norm"
    assert "ControlNetApply" in rest


def test_comfyuis_second_sampler_is_not_honoured() -> None:
    nodes = json.loads(json.dumps(NODES))
    nodes["40"] = node("KSampler", seed=1, latent_image=["41", 0])
    nodes["41"] = node("LatentUpscale", samples=["3", 0])
    values, rest = comfyui_values(json.dumps(dict(reversed(nodes.items()))))
    assert values["seed"] == 42
    assert {"KSampler", "LatentUpscale"} <= rest.keys()


def test_a_loop_of_links_ends() -> None:
    nodes = {
        "3": node("KSampler", positive=["4", 0], model=["4", 0]),
        "4": node("Loop", text=["4", 0], model=["4", 0]),
    }
    assert comfyui_values(json.dumps(nodes))[0]["prompt"] == ""


def test_invokeais_settings() -> None:
    text = {
        "positive_prompt": "a red fox",
        "negative_prompt": "rain",
        **{"width": 512, "height": 768, "seed": 42, "steps": 25, "cfg_scale": 6.5},
        **{"scheduler": "dpmpp_2m_k", "rand_device": "cpu", "clip_skip": 1, "app_version": "5.0"},
        "model": {"key": "x", "name": "dreamshaper_8", "base": "sd-1"},
        "loras": [{"model": {"name": "ink"}, "weight": 0.8}],
        "vae": {"name": "ft-mse"},
        "controlnets": [{"control_model": {"name": "canny"}}],
        "cfg_rescale_multiplier": 0.0,
    }
    values, rest = invokeai_values(json.dumps(text))
    request = GenerationRequest(**values)
    assert request.prompt == "a red fox <lora:ink:0.8>"
    assert (request.sampler, schedule(request)) == ("DPM++ 2M", "Karras")
    assert (request.model, request.vae, request.clip_skip) == ("dreamshaper_8", "ft-mse", 2)
    assert (request.seed, request.rng, request.width) == (42, "cpu", 512)
    assert list(rest) == ["controlnets"]


def test_old_invokeais_settings() -> None:
    image = {"prompt": [{"prompt": "a fox", "weight": 1}], "steps": 30, "cfg_scale": 7.5}
    image |= {"seed": 42, "width": 512, "height": 512, "sampler": "k_euler_a", "type": "txt2img"}
    text = {"model": "stable diffusion", "model_weights": "sd-1.5", "image": image}
    request = GenerationRequest(**old_invokeai_values(json.dumps(text))[0])
    assert (request.prompt, request.sampler, request.model) == ("a fox", "Euler a", "sd-1.5")


CPP = (
    "a fox\nNegative prompt: rain\nSteps: 20, CFG scale: 7.000000, Guidance: 3.500000,"
    " Eta: 0.000000, Seed: 42, Size: 512x512, Model: sd15.safetensors, RNG: {rng},"
    " Sampler: {sampler}, Version: stable-diffusion.cpp"
)


@pytest.mark.parametrize(
    ("rng", "sampler", "expected"),
    [
        ("cuda", "euler_a", ("nv", "Euler a", "Uniform")),
        ("cpu", "dpm++2m karras", ("cpu", "DPM++ 2M", "Karras")),
        ("std_default", "dpm++2s_a", ("nv", "DPM++ 2S a", "Uniform")),
    ],
)
def test_stable_diffusion_cpps_settings(
    rng: str, sampler: str, expected: tuple[str, str, str]
) -> None:
    values, rest = to_values(read_text(CPP.format(rng=rng, sampler=sampler)))
    request = GenerationRequest(**values)
    assert (request.rng, request.sampler, schedule(request)) == expected
    assert (request.seed, request.width, request.eta) == (42, 512, None)
    assert rest.keys() == {"Guidance"} | ({"Noise of C++"} if rng == "std_default" else set())


def test_forges_settings() -> None:
    text = "a fox\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 42,"
    text += (
        " Size: 512x512, Model hash: 6ce0161689, Model: v1-5, Version: f2.0.1v1.10.1-previous-304"
    )
    request = GenerationRequest(**to_values(read_text(text))[0])
    assert (request.sampler, request.scheduler, request.rng) == ("Euler a", "Automatic", "nv")


def test_files_are_read_by_what_is_in_them(tmp_path: Path) -> None:
    save("comfy.png", prompt=json.dumps(NODES), workflow="{}")
    save("invoke.png", invokeai_metadata=json.dumps({"positive_prompt": "b", "seed": 1}))
    save("both.png", prompt=json.dumps(NODES), parameters="c\nSteps: 3, Sampler: DDIM, Seed: 1")
    save("plain.png", Software="other")
    prompts = [
        recipe and recipe.values["prompt"] for recipe in map(read, ("comfy", "invoke", "both"))
    ]
    assert prompts == ["a red fox <lora:ink:0.6:0.8>", "b", "c"]
    assert read("plain") is None
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(NODES)
    Image.new("RGB", (64, 64)).save("comfy.webp", exif=exif)
    recipe = read_recipe(Path("comfy.webp"))
    assert recipe is not None
    assert recipe.values["seed"] == 42


def read(name: str) -> Any:
    return read_recipe(Path(f"{name}.png"))


def test_again_makes_them_and_tells_what_it_cannot(sdcli: Any, engine: FakeEngine) -> None:
    nodes = {**NODES, "50": node("ControlNetApply", strength=1.0)}
    nodes["10"] = node("LoraLoaderModelOnly", model=["4", 0])
    save("comfy.png", prompt=json.dumps(nodes))
    result = sdcli("again", "comfy.png", "-o", "new.png")
    assert result.code == 0, result.err
    assert "sdcli does not know ControlNetApply" in result.err
    assert (engine.made[0].prompt, engine.made[0].seed) == ("a red fox", 42)
    told = json.loads(sdcli("info", "comfy.png", "--json").out)
    assert told["request"]["sampler"] == "DPM++ 2M"
    assert "ControlNetApply" in told["not_honoured"]


@pytest.mark.parametrize("reader", [comfyui_values, invokeai_values, old_invokeai_values])
@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_what_is_damaged_is_told(reader: Any, text: str) -> None:
    with pytest.raises(UsageError, match="the picture's"):
        reader(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["model", "positive", "latent_image", "text", "lora_name", "loras", "vae", "image"]
)
NODE = st.fixed_dictionaries(
    {"class_type": st.sampled_from(["KSampler", "VAELoader", "CLIPTextEncode"])},
    optional={"inputs": st.dictionaries(KEYS, JSON) | JSON},
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from("123"), NODE) | st.dictionaries(KEYS, JSON))
def test_no_nodes_crash_a_reader(content: dict[str, Any]) -> None:
    for reader in (comfyui_values, invokeai_values, old_invokeai_values):
        try:
            values, _ = reader(json.dumps(content))
        except UsageError:
            continue
        assert isinstance(values.get("prompt", ""), str)
