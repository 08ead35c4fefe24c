"""Rows of prompt files: A1111's lines, sdcli's own, JSON, CSV and TOML; and faults in them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdcli.errors import UsageError
from sdcli.sources.prompt_lines import values_of
from sdcli.sources.rows import FORMATS, Format, Row, format_of_text, read_rows, rows_of


def rows(text: str, how: Format = "txt") -> list[Row]:
    found, problems = rows_of(text, how, "p")
    assert not problems
    return found


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a fox, (red:1.2)", {"prompt": "a fox, (red:1.2)"}),
        ("  it's a fox - really ", {"prompt": "it's a fox - really"}),
        ("a fox --steps 30 --seed 7", {"prompt": "a fox", "steps": "30", "seed": "7"}),
        ("a fox -s 7 -W 640", {"prompt": "a fox -s 7 -W 640"}),
        ("a fox -s 7 --steps 3", {"prompt": "a fox", "seed": "7", "steps": "3"}),
        ("a fox -1 --steps 5", {"prompt": "a fox -1", "steps": "5"}),
        ("--prompt a red fox --seed -1", {"prompt": "a red fox", "seed": "-1"}),
        ('--prompt "a red" fox --steps 3', {"prompt": "a red fox", "steps": "3"}),
        ("--prompt a --negative_prompt no rain --steps 3",
         {"prompt": "a", "negative_prompt": "no rain", "steps": "3"}),
        ('--sampler_name "Euler a" --prompt a', {"sampler": "Euler a", "prompt": "a"}),
        ("--sd_model ink --cfg_scale 4", {"model": "ink", "cfg_scale": "4"}),
        ("--subseed 3", {"variation_seed": "3"}),
        ("--subseed_strength 0.5", {"variation_strength": "0.5"}),
        ("--seed_resize_from_w 512 --seed_resize_from_h 640", {"seed_resize": "512x640"}),
        ("--seed_resize_from_w 0 --seed_resize_from_h 0", {}),
        ("--batch_size 2 --n_iter 3", {"count": 6}),
        ("--tiling true --prompt a", {"tiling": True, "prompt": "a"}),
        ("--tiling --prompt a", {"tiling": True, "prompt": "a"}),
        ("--tiling false --restore_faces false", {"tiling": False}),
        ("a --style film", {"prompt": "a", "style": ("film",)}),
        ("a --size 640x512 --preset draft", {"prompt": "a", "size": "640x512", "preset": "draft"}),
        ("a --cfg=3 --init-img=x.png", {"prompt": "a", "cfg_scale": "3", "init_img": "x.png"}),
        ("a --sampler 'DPM++ 2M Karras'", {"prompt": "a", "sampler": "DPM++ 2M Karras"}),
        ("a --hires-prompt 'a b'", {"prompt": "a", "hires_prompt": "a b"}),
    ],
)  # fmt: skip
def test_lines(line: str, values: dict[str, Any]) -> None:
    assert values_of(line) == values


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a --stepz 3", "unknown option --stepz"),
        ("a --steps", "--steps: its value is missing"),
        ("a --steps --seed 3", "--steps: its value is missing"),
        ('a --sampler "Euler', "no closing quotation"),
        ("a --steps 3 --steps 4", "given twice"),
        ("a --prompt b", "prompt is given twice"),
        ("--restore_faces true", "does not support it"),
        ("--sampler_index 3", "does not support it"),
        ("--tiling=maybe", "must be true or false"),
        ("--n_iter x", "whole number"),
        ("a --n_iter 3 --n_iter 4", "n-iter is given twice"),
        ("a --count 5 --n_iter 3", "--count does not work with"),
        ("a --count 5 --count 3", "given twice"),
        ("--seed_resize_from_w 512", "go together"),
    ],
)
def test_bad_lines(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        values_of(line)
    assert message in str(caught.value)


def test_the_nearest_option_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        values_of("a --stepz 3")
    assert "'--steps'" in caught.value.hint


def test_comments_and_empty_lines_are_left_out() -> None:
    found = rows("# first\n\na fox\n   \n  # --steps\na cat --steps 3\n")
    assert [row.line for row in found] == [3, 6]
    assert [row.values["prompt"] for row in found] == ["a fox", "a cat"]


def test_json_lines() -> None:
    found = rows(
        '{"prompt": "a", "steps": 3, "seed": null}\n\n{"prompt": "b", "size": "64x72"}', "jsonl"
    )
    assert found == [
        Row(1, {"prompt": "a", "steps": 3}),
        Row(3, {"prompt": "b", "width": 64, "height": 72}),
    ]


def test_csv_cells_may_hold_lines_and_be_empty() -> None:
    text = 'prompt,steps,sampler\r\n"a ""red"" fox,\nrunning",30,\r\n\r\nb,,Euler a\r\n'
    found = rows(text, "csv")
    assert found == [
        Row(2, {"prompt": 'a "red" fox,\nrunning', "steps": "30"}),
        Row(5, {"prompt": "b", "sampler": "Euler a"}),
    ]


def test_toml_pictures_take_the_defaults() -> None:
    text = (
        '[defaults]\nsteps = 9\n\n[[picture]]\nprompt = "a"\n[[picture]]\nprompt = "b"\nsteps = 3\n'
    )
    assert rows(text, "toml") == [
        Row(4, {"steps": 9, "prompt": "a"}),
        Row(6, {"steps": 3, "prompt": "b"}),
    ]


@pytest.mark.parametrize(
    ("text", "how", "message"),
    [
        ("a\nb --foo 3", "txt", "p, line 2: unknown option --foo"),
        ('{"prompt": "a"}\n{', "jsonl", "p, line 2: not valid JSON"),
        ("[1]", "jsonl", "p, line 1: not a JSON object"),
        ('{"stepz": 3}', "jsonl", "p, line 1: unknown key 'stepz' (did you mean 'steps'"),
        ("[" * 100_000, "jsonl", "p, line 1: not valid JSON"),
        ("prompt\na\nb,c", "csv", "p, line 3: there are 2 cells for 1 columns"),
        ("promt\na", "csv", "p, line 2: unknown key 'promt'"),
        ("[[picture]]\npromt = 'a'", "toml", "p, line 1: unknown key 'promt'"),
        ("picture = [3]", "toml", "must be a table"),
        ('{"size": "3"}', "jsonl", "p, line 1"),
        ('{"size": "64x64", "width": 3}', "jsonl", "size contradicts"),
    ],
)
def test_bad_rows_are_told_with_their_line(text: str, how: Format, message: str) -> None:
    _, problems = rows_of(text, how, "p")
    assert message in str(problems.errors[0])


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("a,a\n1,2", "csv"),
        ('prompt\n"a', "csv"),
        ("[x", "toml"),
        ("[other]", "toml"),
        ("picture=3", "toml"),
    ],
)
def test_what_is_no_file_of_its_format_is_told(text: str, how: Format) -> None:
    with pytest.raises(UsageError, match=r"^p"):
        rows_of(text, how, "p")


def test_good_rows_are_found_beside_bad_ones() -> None:
    found, problems = rows_of("a\nb --foo 3\nc", "txt", "p")
    assert [row.values["prompt"] for row in found] == ["a", "c"]
    assert len(problems.errors) == 1


def test_files_are_read_by_their_endings(tmp_path: Path) -> None:
    (tmp_path / "a.NDJSON").write_bytes(b'\xef\xbb\xbf{"prompt": "caf\xc3\xa9"}')  # with a BOM
    assert read_rows(tmp_path / "a.NDJSON")[0] == [Row(1, {"prompt": "café"})]
    (tmp_path / "b.list").write_text("a")
    with pytest.raises(UsageError, match="--input-format"):
        read_rows(tmp_path / "b.list")
    assert read_rows(tmp_path / "b.list", "txt")[0] == [Row(1, {"prompt": "a"})]
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe")
    for name, message in (
        ("c.txt", "not UTF-8"),
        ("none.txt", "cannot read"),
        (".", "cannot read"),
    ):
        with pytest.raises(UsageError, match=message):
            read_rows(tmp_path / name)


def test_a_pipe_is_known_by_how_it_begins() -> None:
    assert [format_of_text(text) for text in (' {"a": 1}', "\n[[picture]]", "a fox", "")] == [
        "jsonl",
        "toml",
        "txt",
        "txt",
    ]


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1).filter(
    lambda text: text.strip()
)


@given(PLAIN)
def test_any_prompt_goes_through_json_and_csv(prompt: str) -> None:
    assert rows(json.dumps({"prompt": prompt}), "jsonl")[0].values == {"prompt": prompt}
    text = io.StringIO()
    csv.writer(text).writerows([["prompt", "steps"], [prompt, 3]])
    assert rows(text.getvalue(), "csv")[0].values == {"prompt": prompt, "steps": "3"}


@given(st.text(), st.sampled_from(FORMATS))
@example('"""', "csv")
@example("--prompt", "txt")
@example("--", "txt")
@example("-- a", "txt")
@example("--=", "txt")
def test_no_text_crashes_a_reader(text: str, how: Format) -> None:
    try:
        found, _ = rows_of(text, how, "p")
    except UsageError:
        return
    assert all(row.line >= 1 for row in found)


WORDS = st.sampled_from(
    [
        "--prompt",
        "--steps",
        "-s",
        "--tiling",
        "3",
        "true",
        "a fox",
        "--n_iter",
        "--size=64x64",
        '"',
        "'",
    ]
)


@pytest.mark.slow
@given(st.lists(WORDS))
def test_no_line_of_options_crashes_the_reader(words: list[str]) -> None:
    try:
        values_of(" ".join(words))
    except UsageError:
        return
