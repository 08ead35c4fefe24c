"""Gains that change the picture, as a request: their names, and what they do not go with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image
from pydantic import ValidationError

from sdcli.images.formats import encode
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.runs.costs import Speeds

A1111 = "a fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 512x512, "


def request(**changes: Any) -> GenerationRequest:
    return GenerationRequest(**({"prompt": "a fox", "seed": 1} | changes))


def test_nothing_is_left_out_unless_it_is_asked_for() -> None:
    plain = request()
    assert (plain.token_merging_ratio, plain.token_merging_ratio_hr) == (0, None)
    assert plain.deep_cache == 1
    text = write_text(plain)
    assert "merging" not in text
    assert "DeepCache" not in text


def test_they_stand_in_the_pictures_text_where_a1111_has_them() -> None:
    asked = {"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0.25, "deep_cache": 3}
    text = write_text(request(sampler="Euler a", ensd=31337, hires_scale=2, **asked))
    merging = "Token merging ratio: 0.5, Token merging ratio hr: 0.25"
    assert f"ENSD: 31337, {merging}, RNG: NV, DeepCache interval: 3, Hires upscale: 2" in text


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Token merging ratio: 0.5", {"token_merging_ratio": 0.5}),
        ("Token merging ratio: 0.9", {"token_merging_ratio": 0.75}),
        (
            "Denoising strength: 0.7, Token merging ratio: 0.2, Token merging ratio hr: 0.9, "
            "Hires upscale: 2",
            {"token_merging_ratio": 0.2, "token_merging_ratio_hr": 0.75},
        ),
    ],
)
def test_a1111s_are_honoured(
    sdcli: Any, engine: FakeEngine, written: str, found: dict[str, float]
) -> None:
    """What it merges of 0.9 is three of four: there are no others."""
    values, rest = to_values(read_text(f"{A1111}{written}, Version: v1.10.1"))
    assert rest == {}
    assert {key: values[key] for key in found} == found
    image = Image.new("RGB", (64, 64))
    text = f"{A1111}{written}, Version: v1.10.1"
    Path("theirs.png").write_bytes(encode(image, text, "png", quality=1))
    assert sdcli("gen", "--from", "theirs.png", "-o", "ours.png").code == 0
    [made] = engine.made
    assert {key: getattr(made, key) for key in found} == found


@pytest.mark.parametrize(
    ("asked", "second"),
    [
        ({}, 0),
        ({"token_merging_ratio": 0.5}, 0.5),
        ({"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0.25}, 0.25),
        ({"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0}, 0),
        ({"token_merging_ratio_hr": 0.25}, 0.25),
    ],
)
def test_the_second_pass_merges_as_the_first_unless_it_is_told(
    asked: dict[str, float], second: float
) -> None:
    """As A1111, whose option for it applies where it is set, and overrides the other."""
    whole = request(hires_scale=2, deep_cache=2, **asked)
    assert whole.second().token_merging_ratio == second
    assert whole.second().deep_cache == 2
    assert whole.token_merging_ratio == asked.get("token_merging_ratio", 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_merging_ratio": 0.8}, "less than or equal to 0.75"),
        ({"token_merging_ratio": -0.1}, "greater than or equal to 0"),
        ({"token_merging_ratio_hr": 0.5}, "there is no second pass"),
        (
            {"token_merging_ratio_hr": 0.5, "hires_scale": 2, "hires_strength": 0},
            "the second pass makes no steps",
        ),
        ({"deep_cache": 0}, "greater than or equal to 1"),
        (
            {"deep_cache": 2, "init_img": "a.png", "invert": True, "sampler": "Euler"},
            "does not lead back to the picture",
        ),
    ],
)
def test_what_cannot_be_left_out_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        request(**changes)


def test_an_inverted_run_may_merge_tokens() -> None:
    """It is asked alike on both ways."""
    inverted = {"init_img": "a.png", "invert": True, "sampler": "Euler"}
    assert request(token_merging_ratio=0.5, **inverted).token_merging_ratio == 0.5


def test_flags_sweeps_and_a_file_of_prompts_have_them(sdcli: Any, engine: FakeEngine) -> None:
    flags = ["--token-merging-ratio", "0.5", "--deep-cache", "2", "--seed", "1"]
    assert sdcli("gen", "a fox", *flags, "-o", "a.png").code == 0
    assert sdcli("gen", "a fox", "--sweep", "deep_cache=1,3", "-s", "1", "-o", "{index}").code == 0
    Path("prompts.jsonl").write_text('{"prompt": "a hen", "seed": 1, "token_merging_ratio": 0.25}')
    assert sdcli("batch", "prompts.jsonl", "-o", "{index}").code == 0
    made = [(each.token_merging_ratio, each.deep_cache) for each in engine.made]
    assert made == [(0.5, 2), (0, 1), (0, 3), (0.25, 1)]


def test_help_says_that_the_picture_is_another(sdcli: Any) -> None:
    told = sdcli("gen", "--help-all").out
    section = told.partition("Faster, but another picture:\n")[2].partition("\n\n")[0]
    flags = [line.split()[0] for line in section.splitlines() if line.strip().startswith("--")]
    assert flags == ["--token-merging-ratio", "--token-merging-ratio-hr", "--deep-cache"]


def test_pictures_of_different_gains_are_not_made_at_once() -> None:
    assert request(deep_cache=2).shared != request().shared
    assert request(token_merging_ratio=0.5).shared != request().shared


def test_enlarging_by_tiles_carries_over_those_of_one_pass(sdcli: Any, engine: FakeEngine) -> None:
    asked = {"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0.25, "deep_cache": 3}
    text = write_text(request(width=128, height=128, hires_scale=2, **asked))
    image = Image.new("RGB", (128, 128))
    Path("made.png").write_bytes(encode(image, text, "png", quality=1))
    assert sdcli("upscale", "made.png", "--tile", "-o", "large.png").code == 0
    [made] = engine.made
    assert (made.token_merging_ratio, made.token_merging_ratio_hr) == (0.5, None)
    assert made.deep_cache == 3


def test_a_plan_is_not_misled_by_calls_that_took_less() -> None:
    speeds = Speeds({})
    speeds.learn("builtin", request(deep_cache=3), 128, "cpu, fp32", 0.5)
    assert speeds.of("builtin", request(), 128) is None
    assert speeds.of("builtin", request(deep_cache=3), 128) == 0.5
