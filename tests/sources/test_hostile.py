"""Hostile files: odd values in every place, what should be short and is endless, code as text."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError
from quick import slow

from sdcli.errors import Problems, UsageError
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text
from sdcli.request.infotext.keys import AFTER_MODEL, BEFORE_MODEL, OUR_PROMPTS
from sdcli.request.pictures import open_patch
from sdcli.sources import presets
from sdcli.sources.layers import REQUEST_KEYS
from sdcli.sources.prompt_lines import values_of
from sdcli.sources.rows import rows_of
from tools.fuzz import targets
from tools.fuzz.targets import CHUNKS, TARGETS

FILE = Path("picture")
TEXTS = [name for name in TARGETS if name not in ("picture", "chunk")]
MANY = "9" * 5000  # digits, of which Python reads no more than 4,300

ODD_TEXTS = [
    *("", "0", "-1", "1e999", "nan", MANY, f"{MANY}x8", f"v{MANY}.1", "0x10", "1,2,x", "٣", "\0"),
    *("sections:1e999", "sections:nan", "sections:", "left=1e9", "0,0,8,8;", "<hypernet:\ud800>"),
    *("<lora:a:b:c>", "Euler a", "ddim inverse", "karras", "Latent", "\ud800", "[a:b:0.5]"),
]
ODD_VALUES = [True, 3, -1, 10**4299, float("nan"), float("inf"), [], [3], {}, {"a": [1]}, ["a", 1]]
ODD_VALUES += [[-1, 0, 0, 0], [[-5, 0, 8, 8]], [10**30] * 4, json.loads("[" * 200 + "]" * 200)]
NODE_INPUTS = [
    *("model", "positive", "latent_image", "seed", "steps", "cfg", "sampler_name", "denoise"),
    *("text", "width", "pixels", "image", "lora_name", "strength_clip", "ckpt_name", "vae_name"),
    "stop_at_clip_layer",
]
INVOKEAI = [
    *("positive_prompt", "width", "seed", "cfg_scale", "strength", "scheduler", "model", "vae"),
    *("clip_skip", "loras", "init_image", "rand_device", "image", "prompt", "sampler", "other"),
]


def read(target: str, data: bytes | str) -> bool:
    """Whether the target takes it; it raises for a fault, or where something is run."""
    return targets.read(target, data.encode() if isinstance(data, str) else data, FILE)


def shortly(value: Any) -> str:
    return ascii(value)[:20]


@pytest.mark.parametrize("value", [*ODD_TEXTS, *map(slow, ODD_VALUES)], ids=shortly)
def test_no_odd_value_fells_a_reader_wherever_it_stands(value: Any) -> None:
    begun = {"prompt": "a", "init_img": "a.png"}
    for key in sorted(REQUEST_KEYS | {"size", "preset", "count", "style"}):
        read("jsonl", json.dumps(begun | {key: value}))
        read("toml", f"picture = [{{{key} = {json.dumps(value)}}}]")
    for row in (*BEFORE_MODEL, *AFTER_MODEL):
        read("text", f"a\nSteps: 9, Sampler: Euler, Seed: 1, {row.key}: {json.dumps(value)}")
    for key in ("Size", "Version", "Model id", "Model", *OUR_PROMPTS):
        for shown in (json.dumps(value), str(value).encode(errors="replace").decode()):
            read("text", f"a\nSteps: 9, Sampler: Euler, Seed: 1, {key}: {shown}")
    for key in NODE_INPUTS:
        ring = {name: ["2", 0] for name in NODE_INPUTS} | {key: value}
        nodes = {"1": {"class_type": "KSampler", "inputs": ring}, "2": {"inputs": ring}}
        read("comfyui", json.dumps(nodes))
    for key in INVOKEAI:
        read("invokeai", json.dumps({"init_image": "a", "loras": [{"lora": value}], key: value}))
        read("old-invokeai", json.dumps({"image": {key: value}, "model_weights": value}))


UNITS = [
    *("(", "[", "{", "}", '"', "'", ",", "\\", ":", "=", ".", "-", "--", "#", " ", "é", "9", "_"),
    *("a:", "a.", "a=", "a\\ ", "-- ", '{"a":', "((a:1.1)", "[a:b:", "[a|b]", "<lora:", "1,"),
    *("AND ", "BREAK ", "Negative prompt: ", "aa: b, ", "--n_iter=9 ", "[[picture]]", "picture=["),
]


@pytest.mark.parametrize("unit", UNITS)
def test_what_repeats_itself_for_ever_is_read_in_time(unit: str) -> None:
    """100 kB in one line: what looked at each pair of characters would not come to its end here."""
    text = unit * (100_000 // len(unit))
    for target in TEXTS:
        read(target, text)
        read(target, f"a = {text}")


FILLINGS = ["a", " ", "1,", "a=", "(", "[a|b]", "<lora:", "0,0,8,8;", "~", "é"]


@pytest.mark.slow
@pytest.mark.parametrize("unit", FILLINGS)
def test_no_field_keeps_its_reader_busy(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    for key in sorted(REQUEST_KEYS | {"size"}):
        read("jsonl", json.dumps({"prompt": "a", "init_img": "a.png", "invert": True, key: text}))


# A table of one entry, which says that the next begins at byte -1.
EXIF = b"II*\0\x08\0\0\0" + struct.pack("<HHHLl4x", 1, 0x8769, 9, 1, -1)
DEEP = [
    ("toml", "a." * 150_000 + "a = 1"),
    ("toml", "[" + "a." * 50_000 + "a]\n" + "".join(f"b{n} = 1\n" for n in range(10_000))),
    ("toml", 'picture = [""""a"""", {' + "a." * 150_000 + "a = 1}]"),
    ("toml", "picture = " + "[" * 100_000),
    ("toml", "picture = " + "{a = " * 100_000),
    ("toml", f"[[picture]]\nsteps = 0x{'f' * 5000}"),
    ("toml", f"[[picture]]\nsize = 0x{'f' * 5000}"),
    ("jsonl", '{"prompt": "a", "seed": "' + "0-99999," * 10_000 + '1"}'),
    ("jsonl", '{"prompt": "a", "seed": "1-99999999999"}'),
    ("txt", "a --n_iter 1000000000"),
    ("txt", "--prompt " + "a" * 1_000_000),
    ("comfyui", json.dumps({str(n): {"inputs": {"model": [str(n + 1)]}} for n in range(20_000)})),
    ("invokeai", json.dumps({"loras": [{"lora": "a"}] * 100_000, "seed": -2})),
    ("invokeai", '{"clip_skip": ' + "9" * 4300 + "}"),
    ("chunk", bytes([CHUNKS.index(b"eXIf")]) + EXIF),
]


@pytest.mark.parametrize(("target", "data"), DEEP, ids=lambda part: ascii(part)[:30])
def test_what_would_fell_or_hold_up_a_reader_is_refused(target: str, data: bytes | str) -> None:
    assert not read(target, data)


def test_a_cut_exif_is_none_and_no_warning() -> None:
    cut = b"II*\0\x08\0\0\0" + struct.pack("<HHHLL4xH", 1, 0x8769, 4, 1, 26, 5)
    assert read("chunk", bytes([CHUNKS.index(b"eXIf")]) + cut)


class Counted(UsageError):
    """Counts how often an error is told."""

    told = 0

    def __str__(self) -> str:
        Counted.told += 1
        return super().__str__()


def test_many_faults_are_each_told_once() -> None:
    problems = Problems()
    for number in range(300):
        with problems.gather():
            raise Counted(f"line {number}")
    assert len(problems.errors) == Counted.told == 300


@pytest.mark.slow
def test_a_file_of_nothing_but_faults_is_read_to_its_end() -> None:
    for how in ("txt", "jsonl", "csv"):
        _, problems = rows_of("--x 1\n" * 5000, how, "p")
        assert len(problems.errors) >= 4999


CODE = [
    "__import__('os').system('touch here')",
    "{0.__class__.__init__.__globals__}",
    "%(prompt)s {prompt} {seed:>999999999}",
    "$(touch here) `touch here` ; touch here | touch here",
    "!!python/object/apply:os.system ['touch here']",
    "${jndi:ldap://localhost/a} <!ENTITY a SYSTEM 'here'> {{ self }}",
]


@pytest.mark.parametrize("code", CODE)
def test_code_is_text_wherever_it_stands(code: str) -> None:
    """`read` raises where something is run or written; here it is text to the letter as well."""
    assert read_text(f"{code}\nSteps: 9, Sampler: Euler, Seed: 1").prompt == code
    assert values_of(code) == {"prompt": code}
    row = json.dumps({"prompt": code})
    for how, text in {"jsonl": row, "toml": f"picture = [{{prompt = {json.dumps(code)}}}]"}.items():
        assert read(how, text)
        assert rows_of(text, how, "p")[0][0].values == {"prompt": code}  # type: ignore[arg-type]
    for target in TEXTS:
        read(target, code)
    for key in REQUEST_KEYS:
        read("jsonl", json.dumps({"prompt": "a", key: code}))
    assert [path.name for path in Path().iterdir()] == []


def test_presets_of_others_are_read_in_time_too() -> None:
    preset = Path("p.toml")
    preset.write_text(f"{' ' * 100_000}\nsteps = 3\n")
    assert presets.find("p.toml").layer().values == {"steps": 3}
    for text in (f"steps = {'[' * 5000}", f"{'a.' * 150_000}a = 1", "steps = " + "9" * 5000):
        preset.write_text(text)
        with pytest.raises(UsageError, match="not valid TOML"):
            presets.find("p.toml").layer()


def test_broken_unicode_of_another_program_is_told_as_json_writes_it(sdcli: Any) -> None:
    text = PngInfo()
    text.add_text("invokeai_metadata", json.dumps({"positive_prompt": "a \ud800", "odd": "\ud800"}))
    Image.new("L", (8, 8)).save("a.png", pnginfo=text)
    told = json.loads(sdcli("info", "a.png", "--json").out)
    assert told["prompt"] == "a \ud800"
    assert "broken Unicode" in told["request"]["error"]


@pytest.mark.parametrize(
    "values",
    [{"outpaint": [-1, 0, 0, 0]}, {"mask_rect": [[0, 0, -8, 8]]}, {"outpaint": [10**30, 0, 0, 0]}],
    ids=["margin", "rectangle", "page"],
)
def test_pixels_are_counted_from_0_on(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="pixels must be from 0 to 999999"):
        GenerationRequest(seed=1, init_img="a.png", **values)


def test_a_page_is_no_larger_than_a_picture() -> None:
    Image.new("RGB", (64, 64)).save("a.png")
    request = GenerationRequest(seed=1, init_img="a.png", outpaint="left=99999,top=99999")
    with pytest.raises(UsageError, match="at most 16384 pixels"):
        open_patch(request, print)
