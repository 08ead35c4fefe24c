"""`sdcli batch` on a fake engine: rows become pictures, together where they can, in their order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from safetensors.numpy import save_file

from sdcli.images.formats import read_file
from sdcli.request.infotext import read_text


def write(text: str, name: str = "p.txt") -> str:
    Path(name).write_text(text)
    return name


def test_rows_are_made_in_their_order(sdcli: Any, engine: FakeEngine) -> None:
    file = write("a --seed 1\n\nb --seed 2 --steps 3\nc --seed 3\n")
    result = sdcli("batch", file, "-o", "out/")
    assert (result.code, result.lines) == (
        0,
        ["out/00001-1.png", "out/00002-2.png", "out/00003-3.png"],
    )
    assert engine.batches == [[1, 3], [2]]  # those that are alike at once
    assert [read_text(str(read_file(Path(path)))).prompt for path in result.lines] == [
        "a",
        "b",
        "c",
    ]


def test_options_are_defaults_for_all_rows(sdcli: Any, engine: FakeEngine) -> None:
    file = write('{"prompt": "a", "steps": 3}\n{"prompt": "b"}\n', "p.jsonl")
    assert sdcli("batch", file, "--steps", "9", "-s", "5", "-n", "rain").code == 0
    assert [(made.steps, made.seed) for made in engine.made] == [(3, 5), (9, 5)]
    assert {made.negative_prompt for made in engine.made} == {"rain"}


def test_a_rows_preset_wins_over_options_and_loses_to_the_row(
    sdcli: Any, engine: FakeEngine
) -> None:
    Path("presets").mkdir()
    Path("presets/mine.toml").write_text("steps = 4\ncfg_scale = 3\n")
    file = write("a --preset mine --cfg 2\nb\n")
    assert sdcli("batch", file, "--steps", "9", "-s", "1", "-o", "{preset}-{row}").code == 0
    assert {(made.prompt, made.steps, made.cfg_scale) for made in engine.made} == {
        ("a", 4, 2),
        ("b", 9, 7),
    }
    assert {path.name for path in Path().glob("*.png")} == {"mine-1.png", "_-2.png"}


def test_a_row_may_have_several_pictures(sdcli: Any, engine: FakeEngine) -> None:
    file = write("a --seed 1,4\nb --n_iter 2 --seed 7\n")
    result = sdcli("batch", file, "-o", "{row}-{index}-{seed}")
    assert result.lines == ["1-1-1.png", "1-2-4.png", "2-3-7.png", "2-4-8.png"]


def test_the_files_own_lines_are_its_rows(sdcli: Any, engine: FakeEngine) -> None:
    file = write("# none\n\na\n\nb --seed 2\n")
    assert sdcli("batch", file, "-s", "1", "-o", "{row}-{seed}").lines == ["3-1.png", "5-2.png"]


def test_all_that_is_wrong_is_told_with_its_line(sdcli: Any, engine: FakeEngine) -> None:
    file = write("a --steps x\nb\nc --foo\nd --sampler Eulr --width 3\n")
    result = sdcli("batch", file)
    assert result.code == 2
    assert result.out == ""
    assert not engine.made
    for message in (
        "p.txt, line 1: steps: must be a whole number",
        "p.txt, line 3: unknown option --foo",
        "p.txt, line 4: sampler",
        "p.txt, line 4: width",
    ):
        assert message in result.err


def test_good_rows_are_made_if_one_wants_that(sdcli: Any, engine: FakeEngine) -> None:
    file = write("a --steps x\nb --seed 2\nc --foo\n")
    result = sdcli("batch", file, "--keep-going", "-o", "{row}")
    assert (result.code, result.lines) == (1, ["2.png"])
    assert "line 1" in result.err
    assert "line 3" in result.err


def test_a_row_that_fails_stops_no_other(sdcli: Any, engine: FakeEngine) -> None:
    engine.fails = {2}
    file = write("a --seed 1 --steps 3\nb --seed 2 --steps 4\nc --seed 3 --steps 5\n")
    result = sdcli("batch", file, "-o", "{row}")
    assert (result.code, result.lines) == (1, ["1.png", "3.png"])
    assert "picture 2: the model gave NaN" in result.err


def test_events_name_the_rows(sdcli: Any, engine: FakeEngine) -> None:
    file = write("\na --seed 1\nb --seed 2 --steps 3\n")
    events = [json.loads(line) for line in sdcli("batch", file, "--json").lines]
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        *("start", "picture", "row", "picture", "row", "end")
    ]
    assert [(e["job"], e["row"]) for e in events if e["event"] == "picture"] == [(1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("name", "text", "words", "message"),
    [
        ("p.txt", "# nothing\n", [], "has no rows"),
        ("p.txt", "a", ["--input-format", "xml"], "--input-format: must be txt"),
        ("p.csv", "steps\n3\n", [], "p.csv, line 2: there is no prompt"),
        ("p.txt", "a\nb\n", ["-o", "one.png"], "2 pictures do not fit into one file"),
        ("p.txt", "a --preset nope", [], "nope"),
        ("p.xml", "a", [], "does not have the ending of a batch file"),
    ],
)
def test_refused(
    sdcli: Any, engine: FakeEngine, name: str, text: str, words: list[str], message: str
) -> None:
    result = sdcli("batch", write(text, name), *words)
    assert result.code == 2
    assert message in result.err
    assert not engine.made


def test_each_pictures_text_has_the_hashes_of_its_own_loras(sdcli: Any, engine: FakeEngine) -> None:
    """Of all rows of a model, though they are not made at once."""
    for name in "ab":
        save_file({"lora_unet_x.lora_down.weight": np.ones((1, 1))}, f"{name}.safetensors")
    file = write("x <lora:a.safetensors:1> --seed 1\ny <lora:b.safetensors:1> --seed 2\n")
    paths = sdcli("batch", file, "-o", "out/").lines
    told = [read_text(str(read_file(Path(path)))).settings["Lora hashes"] for path in paths]
    assert [text.partition(":")[0] for text in told] == ["a.safetensors", "b.safetensors"]
