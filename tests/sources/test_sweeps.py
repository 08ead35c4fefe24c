"""Sweeps: what KEY=VALUES means, every combination made with one seed, and the sheet of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, paint
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.sources.sweeps import cells, parse_sweep, parse_sweeps


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("steps=10,20,30", "steps", "10 20 30"),
        ("steps= 10 , 20", "steps", "10 20"),
        ("steps=1-5", "steps", "1 2 3 4 5"),
        ("steps=1-5 (+2),9", "steps", "1 3 5 9"),
        ("steps=10-30 (+10)", "steps", "10 20 30"),
        ("steps=10-1 (-3)", "steps", "10 7 4"),  # A1111's, which leaves out the end
        ("steps=1-10 [5]", "steps", "1 3 5 7 10"),
        ("seed=1-3,8", "seed", "1 2 3 8"),
        ("cfg=1-2 (+0.5)", "cfg_scale", "1 1.5 2"),
        ("cfg-scale=1-2 [5]", "cfg_scale", "1 1.25 1.5 1.75 2"),
        ("strength=0-0.3 (+0.1)", "strength", "0 0.1 0.2 0.3"),
        ("hires-steps=2-4", "hires_steps", "2 3 4"),
        ("size=64x64,128x64", "size", "64x64 128x64"),
    ],
)
def test_values(text: str, key: str, values: str) -> None:
    found = parse_sweep(text)
    assert (found.key, list(found.values)) == (key, values.split())


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("sampler=Euler a|DPM++ 2M Karras", ["Euler a", "DPM++ 2M Karras"]),
        ("sampler=Euler a, DDIM", ["Euler a", "DDIM"]),
        ("prompt=a fox, red|a cat", ["a fox, red", "a cat"]),
        ('replace="a, b",c', ["a, b", "c"]),
        ("prompt=1-5", ["1-5"]),
        ("steps=,3,", ["3"]),
    ],
)
def test_words(text: str, values: list[str]) -> None:
    assert list(parse_sweep(text).values) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps", "has no values"),
        ("steps=", "has no values"),
        ("stepz=3", "unknown key 'stepz' (did you mean 'steps'"),
        ("steps=1-5 (+0)", "must not be 0"),
        ("cfg=1-5 (+0)", "must not be 0"),
        ("steps=5-1", "has no values"),
        ("steps=1-99999999", "more than 10,000"),
        ("cfg=0-1 (+0.000001)", "more than 10,000"),
        ("cfg=0-1 [99999999]", "more than 10,000"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sweep(text)
    assert message in str(caught.value)


def test_a_key_is_swept_once() -> None:
    with pytest.raises(UsageError, match="swept twice"):
        parse_sweeps(["steps=1", "steps=2"])
    assert len(parse_sweeps(["replace=a,b", "replace=c,d"])) == 2


@given(st.text())
def test_no_text_crashes_the_reader(text: str) -> None:
    for start in ("", "steps=", "cfg=", "sampler="):
        try:
            parse_sweep(start + text)
        except UsageError:
            continue


def test_every_combination_comes_once() -> None:
    found = list(cells(parse_sweeps(["steps=1,2", "sampler=Euler|DDIM"])))
    assert [cell.values for cell in found] == [
        {"steps": steps, "sampler": name} for steps in "12" for name in ("Euler", "DDIM")
    ]
    assert found[0].labels == ("steps 1", "Euler")


def test_all_are_made_with_one_seed(sdcli: Any, engine: FakeEngine) -> None:
    words = ["--sweep", "steps=3,4", "--sweep", "sampler=Euler|Euler a Karras"]
    result = sdcli("gen", "a fox", *words, "-o", "out/")
    assert (result.code, len(result.lines)) == (0, 4)
    made = {(r.steps, r.sampler, r.scheduler) for r in engine.made}
    assert made == {
        (steps, *name)
        for steps in (3, 4)
        for name in (("Euler", "Automatic"), ("Euler a", "Karras"))
    }
    assert len({request.seed for request in engine.made}) == 1


def test_words_of_the_prompts_are_replaced(sdcli: Any, engine: FakeEngine) -> None:
    words = ["-n", "no fox", "-s", "1", "--sweep", "replace=fox,cat"]
    assert sdcli("gen", "a red fox", *words).code == 0
    assert [(r.prompt, r.negative_prompt) for r in engine.made] == [
        ("a red fox", "no fox"),
        ("a red cat", "no cat"),
    ]
    result = sdcli("gen", "a dog", "--sweep", "replace=fox,cat")
    assert result.code == 2
    assert "'fox' is not in the prompts" in result.err


def test_a_prompt_from_a_pipe_is_swept(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from the pipe\n"))
    assert sdcli("gen", "--sweep", "steps=3,4").code == 0
    assert {request.prompt for request in engine.made} == {"from the pipe"}


def test_what_is_wrong_in_a_combination_is_told(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "--sweep", "sampler=Euler|Eulr b", "--sweep", "width=64,65")
    assert result.code == 2
    assert "--sweep: sampler" in result.err
    assert "--sweep: width: must be a multiple of 8" in result.err
    assert not engine.made


def test_combinations_have_a_limit(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "--sweep", "steps=1-10000", "--sweep", "seed=1-10000")
    assert result.code == 2
    assert "--sweep: 100,000,000 combinations are more than 100,000" in result.err


def test_a_plan_of_a_sweep(sdcli: Any, engine: FakeEngine) -> None:
    assert len(sdcli("gen", "a", "--sweep", "steps=1-5", "--plan").lines) == 6


def test_a_sheet_and_a_table_of_all(sdcli: Any, engine: FakeEngine) -> None:
    sweeps = ["--sweep", "steps=3,4,5", "--sweep", "sampler=Euler|DDIM"]
    result = sdcli("gen", "a fox", "-s", "7", *sweeps, "--grid", "-o", "out/")
    assert result.lines[-2:] == ["out/grid.png", "out/results.csv"]
    with Path("out/results.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "steps", "sampler", "seed", "evals", "seconds"]
    assert [row[:4] for row in rows] == [
        [path, steps, name, "7"]
        for path, (steps, name) in zip(
            result.lines, [(s, n) for s in "345" for n in ("Euler", "DDIM")], strict=False
        )
    ]
    with Image.open("out/grid.png") as page:
        found = page.convert("RGB")
    assert found.size == (150 + 3 * (64 + 8), found.height)
    top = found.height - 2 * (64 + 8)
    for column, steps in enumerate((3, 4, 5)):
        for row, name in enumerate(("Euler", "DDIM")):
            request = GenerationRequest(
                prompt="a fox", seed=7, steps=steps, sampler=name, width=64, height=64
            )
            place = (150 + column * 72 + 32, top + row * 72 + 32)
            assert found.getpixel(place) == paint(request).getpixel((0, 0))


def test_a_sheet_without_a_sweep_is_square(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("gen", "a fox", "-s", "1-5", "--grid", "-o", "out/").code == 0
    with Image.open("out/grid.png") as page:
        assert page.size == (8 + 3 * 72, page.height)
    again = sdcli("gen", "a fox", "-s", "6,7", "--grid", "-o", "out/").lines
    assert again[-2:] == ["out/grid-2.png", "out/results-2.csv"]


def test_sheets_as_events(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "-s", "1,2", "--grid", "--json", "-o", "out/")
    events = [json.loads(line) for line in result.lines]
    assert [e["path"] for e in events if e["event"] == "sheet"] == [
        "out/grid.png",
        "out/results.csv",
    ]
    assert events[-1]["event"] == "end"


def test_a_sheet_needs_a_folder(sdcli: Any, engine: FakeEngine, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    result = sdcli("gen", "a", "-s", "1", "--grid", "-o", "-")
    assert result.code == 2
    assert "--grid" in result.err


def test_a_pipe_is_left_alone_where_the_prompt_is_swept_or_preset(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from the pipe\n"))
    Path("presets").mkdir()
    Path("presets/mine.toml").write_text('prompt = "kept"\n')
    assert sdcli("gen", "--sweep", "prompt=a|b").code == 0
    assert sdcli("gen", "--preset", "mine", "--sweep", "steps=3,4").code == 0
    assert [request.prompt for request in engine.made] == ["a", "b", "kept", "kept"]
    assert sdcli("gen", "-", "--sweep", "steps=3").code == 0
    assert engine.made[-1].prompt == "from the pipe"


def rows_file() -> None:
    Path("p.txt").write_text("a fox --seed 1\na cat\n")


def test_each_row_of_a_file_is_swept(sdcli: Any, engine: FakeEngine) -> None:
    rows_file()
    result = sdcli("batch", "p.txt", "--sweep", "steps=3,4", "--sweep", "cfg=1,2", "-o", "out/")
    assert (result.code, len(result.lines)) == (0, 8)
    made = {(r.prompt, r.steps, r.cfg_scale) for r in engine.made}
    assert made == {(p, s, c) for p in ("a fox", "a cat") for s in (3, 4) for c in (1, 2)}
    seeds = {prompt: {r.seed for r in engine.made if r.prompt == prompt} for prompt in ("a cat",)}
    assert len(seeds["a cat"]) == 1


def test_a_sweep_wins_over_the_row(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text("a --steps 9 --seed 1\n")
    assert sdcli("batch", "p.txt", "--sweep", "steps=3,4").code == 0
    assert [request.steps for request in engine.made] == [3, 4]


@pytest.mark.parametrize("seed", [[], ["-s", "-1"], ["--variation-strength", "0.2"]])
def test_what_is_drawn_is_drawn_once(sdcli: Any, engine: FakeEngine, seed: list[str]) -> None:
    assert sdcli("gen", "a fox", *seed, "--sweep", "steps=3,4,5").code == 0
    assert len({(request.seed, request.variation_seed) for request in engine.made}) == 1
    assert engine.made[0].seed != engine.made[0].variation_seed


def test_a_sheet_of_a_file(sdcli: Any, engine: FakeEngine) -> None:
    rows_file()
    words = ["-o", "out/", "-s", "1", "--sweep", "steps=3,4,5", "--grid"]
    assert sdcli("batch", "p.txt", *words).code == 0
    with Path("out/results.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "steps", "prompt", "seed", "evals", "seconds"]
    assert [row[1:4] for row in rows] == [
        [steps, prompt, "1"] for prompt in ("a fox", "a cat") for steps in "345"
    ]
    with Image.open("out/grid.png") as page:
        assert page.width == 150 + 3 * (64 + 8)  # a column for each value, a row for each prompt
        assert page.height > 2 * 64


@pytest.mark.parametrize(
    ("rows", "sweep"),
    [
        ("a red fox --seed 1\na red cat --seed 1\n", "replace=red,green"),
        ("a fox --seed 1 --sampler Euler\na fox --seed 1 --sampler DDIM\n", "steps=3,4"),
    ],
)
def test_no_picture_of_a_sheet_covers_another(
    sdcli: Any, engine: FakeEngine, rows: str, sweep: str
) -> None:
    Path("p.txt").write_text(rows)
    assert sdcli("batch", "p.txt", "--sweep", sweep, "--grid", "-o", "out/").code == 0
    with Image.open("out/grid.png") as page:
        sheet = page.convert("RGB")
    top = sheet.height - 2 * (64 + 8)
    shown = {
        sheet.getpixel((150 + column * 72 + 32, top + row * 72 + 32))
        for column in (0, 1)
        for row in (0, 1)
    }
    made = {paint(engine.complete(request)).getpixel((0, 0)) for request in engine.made}
    assert shown == made
    assert len(made) == 4


def test_a_sheet_must_be_whole(sdcli: Any, engine: FakeEngine) -> None:
    rows_file()
    result = sdcli("batch", "p.txt", "--grid", "--shard", "1/2", "-o", "out/")
    assert (result.code, engine.made) == (2, [])
    assert "--grid needs all pictures, and some are not made in this run" in result.err


def test_a_sweep_goes_on_with_its_own_seed_only(sdcli: Any, engine: FakeEngine) -> None:
    rows_file()
    words = ["p.txt", "--sweep", "steps=3,4", "-o", "out/", "--resume"]
    result = sdcli("batch", *words)
    assert (result.code, engine.made) == (2, [])
    assert "--resume: a sweep with random seeds cannot be resumed" in result.err
    assert len(sdcli("batch", *words, "-s", "5").lines) == 4
    assert sdcli("batch", *words, "-s", "5").lines == []


def test_rows_from_a_pipe_are_swept(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a --seed 1\nb --seed 2\n"))
    assert len(sdcli("batch", "-", "--sweep", "steps=3,4", "-o", "out/").lines) == 4


def test_the_number_of_a_failure_is_that_of_its_picture(sdcli: Any, engine: FakeEngine) -> None:
    engine.fails = {8}
    result = sdcli("gen", "a", "--sweep", "seed=7,8,9", "-b", "1")
    assert result.code == 1
    assert "picture 2: the model gave NaN" in result.err
