"""A picture's own text: what is written, that all of it comes back, and A1111's texts of old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from quick import slow

from sdcli.errors import UsageError
from sdcli.images.formats import encode, read_file
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.request.infotext.keys import OUTCOMES
from sdcli.request.options import legal_options, obeys_ensd
from sdcli.sampling import SAMPLERS, SCHEDULES, resolve
from sdcli.version import __version__

IMAGE = Image.new("RGB", (8, 8), "red")
SETTINGS = "Steps: 20, Sampler: DPM++ 2M, Seed: 3"
VERSION = f"Version: sdcli {__version__}"


KNOWN: dict[str, dict[str, Any]] = {
    "a fox: red\nNegative prompt: x, y\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, "
    f"CFG scale: 7.5, Seed: 1, Size: 512x768, Model: builtin, RNG: NV, {VERSION}": (
        {"prompt": "a fox: red", "negative_prompt": "x, y", "cfg_scale": 7.5}
        | {"width": 512, "height": 768}
    ),
    "a\nb\nSteps: 20, Sampler: Euler, Schedule type: Automatic, CFG scale: 7, Seed: 1, "
    f'Model: "a, b", RNG: NV, {VERSION}': (
        {"prompt": "a\nb", "sampler": "Euler", "model": "runs/a, b"}
    ),
    "Steps: 1, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 1, Model: name, "
    "ENSD: 31337, RNG: GPU, Eta: 0.5, Sigma noise: 1.01, Schedule min sigma: 0.1, "
    f"Schedule max sigma: 10, Schedule rho: 5, Model id: owner/name, {VERSION}": (
        {"sampler": "Euler a Karras", "eta": 0.5, "s_noise": 1.01, "rho": 5, "sigma_min": 0.1}
        | {"sigma_max": 10, "ensd": 31337, "rng": "gpu", "model": "owner/name", "steps": 1}
    ),
    "é\nSteps: 20, Sampler: Heun, Schedule type: Exponential, CFG scale: 7, Seed: 1, "
    "Model: builtin, RNG: NV, Sigma churn: 2, Sigma tmin: 0.25, Sigma tmax: 9, "
    f'sdcli prompt: " é", {VERSION}': (
        {"sampler": "Heun", "scheduler": "Exponential", "s_churn": 2, "s_tmin": 0.25}
        | {"s_tmax": 9, "prompt": " é"}
    ),
}


@pytest.mark.parametrize("text", KNOWN, ids=["usual", "quoted value", "no prompt", "hard prompt"])
def test_the_text_is_a1111s(text: str) -> None:
    """Its order of keys, its quoting; CFG 7 for 7.0, Automatic only where no schedule is named."""
    assert write_text(GenerationRequest(seed=1, **KNOWN[text])) == text


HARD = ["Negative prompt: x", "Steps: 1, Sampler: x, Seed: 3", "\n", "\r", "\x85", "\u2028", " "]
HARD += ['"', "\\", ":", ",", "a: b, c: d, e: f", "\t", "\x7f", "一", "\U0001f98a", "\ufeff", '"a"']
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PROMPTS = st.lists(st.one_of(st.sampled_from(HARD), st.text(CHARACTERS, max_size=8))).map("".join)
MODELS = st.one_of(
    st.builds("{0}-a/v1.{0}".format, st.text("aZ9_", min_size=1, max_size=90)),
    st.lists(st.sampled_from(["a", ",", ":", '"a"', "\\", " x"]), min_size=1).map("".join),
).filter(lambda name: name == name.strip())


def saved(data: bytes) -> Path:
    """A file of these bytes."""
    Path("picture").write_bytes(data)
    return Path("picture")


@st.composite
def requests(draw: Any) -> GenerationRequest:
    """Any valid request: every field, and of the options those that the sampler has."""
    sampler = draw(st.sampled_from(SAMPLERS))
    if sampler.grid is None:
        sampler = resolve(sampler.name, draw(st.sampled_from([row.name for row in SCHEDULES])))
    special = {"rtol": st.floats(1e-6, 1), "atol": st.floats(1e-6, 1), "max_evals": st.integers(1)}
    options = {
        key: draw(special.get(key, st.floats(1e-6, 1e6)))
        for key in legal_options(sampler)
        if draw(st.booleans())
    }
    if "sigma_min" in options:
        options["sigma_max"] = options["sigma_min"] * 2
    noisy = obeys_ensd(sampler, options)
    size = draw(st.tuples(st.integers(8, 2048), st.integers(8, 2048)))
    return GenerationRequest(
        prompt=draw(PROMPTS),
        negative_prompt=draw(PROMPTS),
        sampler=sampler.name,
        scheduler=sampler.schedule,
        steps=draw(st.integers(sampler.least_steps, 1000)),
        cfg_scale=draw(st.floats(0, 100)),
        seed=draw(st.integers(0, 2**64 - 1)),
        rng=draw(st.sampled_from(["nv", "cpu", "gpu"])),
        ensd=draw(st.integers(0, 2**32 - 1)) if noisy else 0,
        width=size[0] * 8,
        height=size[1] * 8,
        model=draw(MODELS),
        **options,
    )


def back(text: str | None) -> GenerationRequest:
    """The request that a text describes, every setting of it understood."""
    values, rest = to_values(read_text(text or ""))
    assert rest == {}
    return GenerationRequest(**values)


@pytest.mark.parametrize("kind", [slow("text"), "png", slow("jpg"), slow("webp")])
@given(request=requests())
@example(request=GenerationRequest(seed=1, prompt="Negative prompt: a", negative_prompt="\n"))
@example(request=GenerationRequest(seed=1, negative_prompt="a\nSteps: 1, Sampler: x, Seed: 3"))
@example(request=GenerationRequest(seed=1, prompt="一\u0100\u0200", model='"a"'))
@settings(max_examples=80)
def test_every_request_comes_back_to_the_letter(kind: str, request: GenerationRequest) -> None:
    """From the text alone, and from each kind of file."""
    text: str | None = write_text(request)
    if kind != "text":
        text = read_file(saved(encode(IMAGE, text, kind, quality=90)))
    assert back(text) == request


LINES = st.lists(st.text('ab,:"() 一é').map(str.strip).filter(bool), max_size=3).map("\n".join)


@given(LINES, LINES)
@settings(max_examples=100)
def test_plain_prompts_are_read_by_a1111s_rules_alone(prompt: str, negative: str) -> None:
    taken = read_text(
        write_text(GenerationRequest(seed=1, prompt=prompt, negative_prompt=negative))
    )
    assert (taken.prompt, taken.negative_prompt) == (prompt, negative)
    assert not {"sdcli prompt", "sdcli negative prompt"} & taken.settings.keys()


OLD: list[Any] = [
    (
        "(cat:1.2), [red|blue]\nby night\nNegative prompt: lowres,\nbad hands\nSteps: 28, Sampler: "
        "DPM++ 2M Karras, CFG scale: 7, Seed: 1234567890, Size: 512x768, Model hash: 6ce0161689, "
        'Model: v1-5-pruned, Clip skip: 2, Lora hashes: "detail: 7c6bad76eb54, x: 1", '
        "Version: v1.5.1",
        {"prompt": "(cat:1.2), [red|blue]\nby night", "negative_prompt": "lowres,\nbad hands"}
        | {"steps": 28, "sampler": "DPM++ 2M Karras", "cfg_scale": 7.0, "seed": 1234567890}
        | {"width": 512, "height": 768, "model": "v1-5-pruned", "rng": "nv", "clip_skip": 2}
        | {"old_timelines": True},
        {},
        "Karras",
    ),
    (
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 3, Size: 64x64, "
        "Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent, Version: v1.10.1",
        {"prompt": "", "negative_prompt": "", "steps": 20, "sampler": "DPM++ 2M", "seed": 3}
        | {"scheduler": "Karras", "cfg_scale": 7.0, "rng": "nv", "width": 64, "height": 64}
        | {"hires_strength": 0.7, "hires_scale": 2.0, "hires_upscaler": "Latent"},
        {},
        "Karras",
    ),
]


@pytest.mark.parametrize(("text", "values", "rest", "schedule"), OLD, ids=["1.5", "1.10.1"])
def test_a1111s_texts_are_read_as_their_version_meant_them(
    text: str, values: dict[str, Any], rest: dict[str, str], schedule: str
) -> None:
    assert to_values(read_text(text)) == (values, rest)
    assert GenerationRequest(**values).resolved_sampler.resolved_schedule.name == schedule


@pytest.mark.parametrize(
    ("version", "schedule"),
    [
        ("", "Uniform"),
        ("v1.8.9", "Uniform"),
        ("1.9.0", "Karras"),
        ("v1.10.1-23-gabcdef0", "Karras"),
    ],
)
def test_automatic_changed_its_meaning_in_1_9(version: str, schedule: str) -> None:
    text = f"\na\n{SETTINGS}, RNG: CPU, Version: {version}\n"
    request = GenerationRequest(**to_values(read_text(text))[0])
    assert (request.resolved_sampler.resolved_schedule.name, request.rng) == (schedule, "cpu")


@pytest.mark.parametrize("text", ["", "a cat", "a\nSteps: 20, Seed: 3", "one: two, three: four"])
def test_text_without_settings_is_a_prompt(text: str) -> None:
    """Fewer than three settings in the last line are none."""
    assert to_values(read_text(text)) == ({"prompt": text, "negative_prompt": ""}, {})


def test_a_setting_that_must_be_a_number_and_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="Steps: 'many' is not a number"):
        to_values(read_text("a\nSteps: many, Sampler: Euler, Seed: 3"))


@given(st.one_of(st.text(), PROMPTS))
@settings(max_examples=200)
def test_reading_never_fails(text: str) -> None:
    taken = read_text(text)
    assert len(taken.prompt) + len(taken.negative_prompt) <= len(text)


UNITS = ["a", '"\\', "- ", " \t", "a/", "aa:", 'aa: "', 'aa:"b,', 'aa: "\\",', "a\n", "a,"]


@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_hostile_text_is_read_in_linear_time(unit: str) -> None:
    """300 kB: a pattern that looked at each pair of characters would not come to its end here."""
    taken = read_text(f'a: "{unit * (300_000 // len(unit))}b')
    assert bool(taken.prompt) != bool(taken.settings)


@pytest.mark.parametrize(
    ("written", "idle"),
    [
        pytest.param("Sampler: Euler, ENSD: 31337", {"ENSD": "31337"}, id="no noise to seed"),
        pytest.param("Sampler: Euler, CFG scale: 1, NGMS: 2", {"NGMS": "2"}, id="no guidance"),
        pytest.param("Sampler: DPM++ 2M Karras, Eta: 0.7", {"Eta": "0.7"}, id="no eta"),
        pytest.param("Sampler: Euler, Schedule rho: 5", {"Schedule rho": "5"}, id="no rho"),
        pytest.param("Sampler: Euler a, Eta: 0.7, ENSD: 31337", {}, id="all of use"),
    ],
)
def test_what_a1111_wrote_without_need_is_told_and_stops_nothing(
    written: str, idle: dict[str, str]
) -> None:
    values, rest = to_values(read_text(f"a\nSteps: 20, {written}, Seed: 3, Version: v1.10.1"))
    assert rest == idle
    assert GenerationRequest(**values).seed == 3


def test_what_came_of_a_run_is_told_and_is_no_setting() -> None:
    request = GenerationRequest(prompt="a", sampler="DPM adaptive", seed=1)
    outcome = dict(zip(OUTCOMES, ("45", "12", "3"), strict=True))
    text = write_text(request, outcome)
    assert "Evaluations: 45, Accepted steps: 12, Rejected steps: 3, Version: sdcli" in text
    assert to_values(read_text(text)) == to_values(read_text(write_text(request)))
