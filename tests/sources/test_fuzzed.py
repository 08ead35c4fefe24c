"""Random files: each reader takes them or refuses them, and runs nothing that is in them."""

from __future__ import annotations

import csv
import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcli.request.infotext.keys import AFTER_MODEL, BEFORE_MODEL, OUR_PROMPTS
from sdcli.sources.layers import REQUEST_KEYS
from tools.fuzz import seeds, targets
from tools.fuzz.targets import TARGETS, Ran

FILE = Path("picture")
PICTURES = ("picture", "chunk")
TEXTS = [name for name in TARGETS if name not in PICTURES]
SEEDS = [(name, data) for name, examples in seeds.seeds().items() for data in examples]

# What people and machines put where something else belongs.
ODD = [
    *("", " ", "-1", "0", "1", "20", "7.5", "1e999999", "nan", "inf", "9" * 5000, "0x10", "true"),
    *("1-99999999999", "1,2,3", "5-1", "64x64", "999999999x999999999", "0x0", "None", "٣"),
    *("Euler a", "DDIM", "DPM++ 2M Karras", "karras", "Automatic", "Latent", "just", "fill"),
    *("sections:1e9", "left=64", "0,0,8,8;", "alpha", "a.png", "a.pth", "<lora:a:1>", "\0"),
    *("<hypernet:a:1>", "[a:b:0.5]", "((((", '"', "\\", "a\nb", "AND", "BREAK", "--", "- -"),
    *("__import__('os').system('touch x')", "{0.__class__}", "$(touch x)", "%(x)s", "\ufeff"),
]
WORDS = st.sampled_from(ODD) | st.text(max_size=8)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**9, 2**64, 10**400, -(10**4000)])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
NODES = st.sampled_from("12345")
LINKS = st.tuples(NODES | JSON, st.integers(0, 2)).map(list)
KINDS = ["KSampler", "KSamplerAdvanced", "EmptyLatentImage", "VAEEncode", "LoadImage", "LoraLoader"]
INPUTS = [
    *("model", "positive", "negative", "latent_image", "pixels", "image", "text", "conditioning"),
    *("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise", "width", "height", "value"),
    *("lora_name", "strength_model", "strength_clip", "ckpt_name", "vae_name"),
    "stop_at_clip_layer",
]
GRAPHS = st.dictionaries(
    NODES,
    st.fixed_dictionaries(
        {
            "class_type": st.sampled_from([*KINDS, "CLIPTextEncode", "VAELoader"]) | JSON,
            "inputs": st.dictionaries(st.sampled_from(INPUTS), LINKS | JSON, max_size=8) | JSON,
        }
    ),
)
INVOKEAI = [
    *("positive_prompt", "negative_prompt", "width", "height", "seed", "steps", "cfg_scale"),
    *("cfg_rescale_multiplier", "strength", "scheduler", "model", "vae", "clip_skip", "loras"),
    *("init_image", "rand_device", "image", "prompt", "sampler", "model_weights", "other"),
]
ROWS = st.dictionaries(st.sampled_from(sorted(REQUEST_KEYS | {"size", "preset", "count"})), JSON)
KEYS = [row.key for row in (*BEFORE_MODEL, *AFTER_MODEL)] + [*OUR_PROMPTS, "Size", "Version"]


def read(target: str, data: bytes | str) -> bool:
    """Whether the target takes it."""
    given = data.encode(errors="replace") if isinstance(data, str) else data
    return targets.read(target, given, FILE)


@pytest.mark.parametrize(("target", "data"), SEEDS, ids=[name for name, _ in SEEDS])
def test_real_files_are_taken(target: str, data: bytes) -> None:
    assert read(target, data)


@given(st.sampled_from(sorted(TARGETS)), st.binary())
def test_any_bytes(target: str, data: bytes) -> None:
    read(target, data)


@pytest.mark.slow
@given(st.sampled_from(TEXTS), st.lists(st.sampled_from(seeds.words()) | WORDS).map("".join))
@settings(max_examples=300)
def test_any_words(target: str, text: str) -> None:
    read(target, text)


@given(st.sampled_from(SEEDS), st.integers(0), st.integers(0, 20), st.binary(max_size=20))
@settings(max_examples=300)
def test_real_files_with_a_part_replaced(
    seed: tuple[str, bytes], place: int, length: int, part: bytes
) -> None:
    target, data = seed
    place %= len(data)
    read(target, data[:place] + part + data[place + length :])


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(KEYS), WORDS)), st.booleans())
@settings(max_examples=300)
def test_any_settings_of_a_picture(items: list[tuple[str, str]], quoted: bool) -> None:
    line = ", ".join(f"{k}: {json.dumps(v) if quoted else v}" for k, v in items)
    read("text", f"a\nSteps: 20, Sampler: Euler a, Seed: 1, Init image: a.png, {line}")


@pytest.mark.slow
@given(GRAPHS)
@settings(max_examples=300)
def test_any_nodes_in_a_row_or_a_ring(graph: dict[str, Any]) -> None:
    graph["1"] = {"class_type": "KSampler", "inputs": (graph.get("1") or {}).get("inputs")}
    read("comfyui", json.dumps(graph))


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(INVOKEAI), JSON), st.sampled_from(["", "old-"]))
@settings(max_examples=300)
def test_any_settings_of_invokeai(content: dict[str, Any], old: str) -> None:
    read(f"{old}invokeai", json.dumps({"image": content} if old else content))


@pytest.mark.slow
@given(ROWS)
@settings(max_examples=300)
def test_any_row(row: dict[str, Any]) -> None:
    read("jsonl", json.dumps(row))
    text = StringIO()
    csv.writer(text).writerows([row.keys(), [str(v) for v in row.values() if _told(v)]])
    read("csv", text.getvalue())
    read("txt", " ".join(f"--{key}={_line(value)}" for key, value in row.items() if _told(value)))
    read("toml", "[[picture]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in row.items()))


def _told(value: Any) -> bool:
    return not isinstance(value, str) or "\ud800" not in value


def _line(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, int) else hex(value)


@pytest.mark.parametrize(
    "does",
    [
        pytest.param(lambda: eval("1"), id="eval"),
        pytest.param(lambda: exec("a = 1"), id="exec"),
        pytest.param(lambda: os.system("true"), id="shell"),
        pytest.param(lambda: Path("x").write_text("x"), id="a file"),
        pytest.param(lambda: Path("x").mkdir(), id="a folder"),
    ],
)
def test_a_reader_that_ran_something_would_be_found(
    does: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "TARGETS", {"bad": lambda data, file: does()})
    with pytest.raises(Ran):
        read("bad", b"")
    assert not Path("x").exists()
