"""Bad input to `sdcli gen`: a clear message with the nearest fix, exit 2, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.errors import UsageError

CASES = [
    pytest.param(
        ["-S", "Eular a"], "--sampler: unknown sampler 'Eular a'", "'Euler a'", id="sampler"
    ),
    pytest.param(
        ["--scheduler", "karas"], "--scheduler: unknown schedule 'karas'", "'Karras'", id="schedule"
    ),
    pytest.param(["--preset", "drft"], "--preset: unknown preset 'drft'", "'draft'", id="preset"),
    pytest.param(["--size", "100x64"], "must be a multiple of 8, got 100", "", id="size"),
    pytest.param(["--size", "wide"], "--size: 'wide' is not a size", "512x768", id="size words"),
    pytest.param(["-W", "32"], "--width: must be at least 64, got '32'", "", id="too small"),
    pytest.param(["--steps", "0"], "--steps: must be at least 1, got '0'", "", id="steps 0"),
    pytest.param(["--steps", "many"], "--steps: must be a whole number", "", id="steps words"),
    pytest.param(["--seed", "abc"], "--seed: 'abc' is not a seed", "1,2,5-8", id="seed"),
    pytest.param(["--seed", "9-2"], "--seed: the range 9-2 runs backwards", "2-9", id="seed range"),
    pytest.param(["--eta", "0.5"], "--eta: DPM++ 2M has no eta", "Euler a", id="eta without"),
    pytest.param(
        ["-S", "Euler", "--rho", "3"], "--rho: schedule Uniform has no rho", "", id="rho without"
    ),
    pytest.param(["--cfg", "nan"], "--cfg-scale: must be a finite number", "", id="cfg nan"),
    pytest.param(["--rng", "tpu"], "--rng: must be 'nv', 'cpu' or 'gpu'", "", id="rng"),
    pytest.param(["--device", "gpu9"], "--device: must be auto, cpu, mps", "", id="device"),
    pytest.param(["-m", ""], "--model: must not be empty", "", id="no model"),
    pytest.param(["-o", "{sed}"], "--output: unknown field {sed}", "'seed'", id="template field"),
    pytest.param(
        ["-o", "x.png", "-c", "2"], "2 pictures do not fit into one file", "{seed}", id="one file"
    ),
    pytest.param(
        ["-o", "x.png", "--format", "jpg"], "--output: x.png does not end in .jpg", "", id="format"
    ),
    pytest.param(["-o", "taken/x/"], "--output: cannot write into", "", id="folder is a file"),
    pytest.param(["-o", "old.png"], "--output: old.png exists", "--overwrite", id="file exists"),
    pytest.param(["--from", "no.png"], "cannot read no.png", "", id="from nothing"),
    pytest.param(
        ["--from", "taken"],
        "taken is not a readable PNG, JPEG, WebP or GIF",
        "",
        id="from no picture",
    ),
    pytest.param(
        ["-i", "taken"],
        "taken is not a readable PNG, JPEG, WebP or GIF",
        "",
        id="init is no picture",
    ),
    pytest.param(
        ["--strength", "1"], "--strength: there is no picture", "--init-img", id="no init"
    ),
    pytest.param(["--invert"], "--invert: there is no picture", "--init-img", id="no init"),
    pytest.param(["-i", "no.png", "--invert"], "cannot read no.png", "", id="init is not there"),
    pytest.param(
        ["-i", "taken", "--invert"],
        "taken is not a readable PNG, JPEG, WebP or GIF",
        "",
        id="init is no picture",
    ),
    pytest.param(
        ["-i", "odd.png", "--invert"], "odd.png has 100x64 pixels", "resize", id="init is odd"
    ),
    pytest.param(
        ["-i", "fit.png", "--invert", "--size", "128x64"], "not 128x64", "leave out", id="init size"
    ),
    pytest.param(
        ["-i", "fit.png", "--invert", "-s", "1,2"], "would be the same", "seeds", id="init seeds"
    ),
    pytest.param(
        ["-i", "fit.png", "--invert", "-S", "Euler a"], "Euler a adds noise", "DDIM", id="init a"
    ),
    pytest.param(
        ["--variation-seed", "3"],
        "--variation-seed: it has no effect at variation strength 0",
        "",
        id="variation",
    ),
    pytest.param(["--seed-resize", "512"], "'512' is not a size", "512x768", id="seed resize"),
    pytest.param(
        ["--seed-resize", "100x64"],
        "--seed-resize: sides must be multiples of 8",
        "",
        id="its sides",
    ),
    pytest.param(["-p", "b"], "the prompt is given twice", "", id="two prompts"),
    pytest.param(["-o", "-", "-c", "2"], "--output: - takes one picture", "", id="stdout for two"),
    pytest.param(["--stesp", "3"], "No such option: --stesp", "--steps", id="unknown flag"),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), CASES)
def test_is_refused_with_its_fix(
    sdcli: Any, engine: FakeEngine, arguments: list[str], message: str, hint: str
) -> None:
    Path("taken").write_text("I am a file")
    Path("old.png").write_bytes(b"I was here first")
    Image.new("RGB", (100, 64)).save("odd.png")
    Image.new("RGB", (64, 64)).save("fit.png")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = sdcli("gen", "a", *arguments)
    assert result.code == 2
    assert message in result.err
    assert hint in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert engine.batches == []
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_all_that_is_wrong_is_told_at_once(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "--steps", "0", "-S", "Eular", "--seed", "x", "--preset", "drft")
    assert result.code == 2
    assert result.err.count("error:") == 4


def test_a_presets_mistake_is_told_with_file_and_line(sdcli: Any, engine: FakeEngine) -> None:
    Path("presets").mkdir()
    Path("presets/film.toml").write_text("# mine\nstpes = 3\n")
    result = sdcli("gen", "a", "--preset", "film")
    assert result.code == 2
    assert "preset film.toml, line 2: stpes" in result.err
    assert "'steps'" in result.err


def test_a_presets_bad_value_is_told_with_file_and_line(sdcli: Any, engine: FakeEngine) -> None:
    Path("presets").mkdir()
    Path("presets/film.toml").write_text("\n\nsteps = 0\n")
    result = sdcli("gen", "a", "--preset", "film")
    assert result.code == 2
    assert "preset film.toml, line 3: steps: must be at least 1, got 0" in result.err


def test_true_is_no_number(sdcli: Any, engine: FakeEngine) -> None:
    Path("presets").mkdir()
    Path("presets/film.toml").write_text("steps = true\nwidth = false\neta = -1\n")
    result = sdcli("gen", "a", "--preset", "film")
    assert result.code == 2
    assert "preset film.toml, line 1: steps: cannot be true" in result.err
    assert "preset film.toml, line 2: width: cannot be false" in result.err
    assert "line 3: eta: must be at least 0" in result.err


def test_events_tell_what_only_the_engine_refuses(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> None:
        raise UsageError("--rng gpu needs a GPU", "--rng nv")

    monkeypatch.setattr(engine, "start", start)
    result = sdcli("gen", "a", "--json")
    events = [json.loads(line) for line in result.lines]
    assert [event["event"] for event in events] == ["start", "end", "error"]
    assert events[-1]["message"] == "--rng gpu needs a GPU"
    assert result.code == 2


def test_a_configs_mistake_is_told_with_file_and_line(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.toml").write_text("steps = 20\nsamplr = 'Euler'\n")
    monkeypatch.setenv("SDCLI_CONFIG", "c.toml")
    result = sdcli("gen", "a")
    assert result.code == 2
    assert "config c.toml, line 2: samplr" in result.err
    assert "'sampler'" in result.err


def test_events_tell_what_is_refused(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "--steps", "0", "-S", "Eular", "--json")
    events = [json.loads(line) for line in result.lines]
    assert [(event["event"], event["code"]) for event in events] == [("error", "usage")] * 2
    assert result.code == 2


def test_bytes_and_events_cannot_share_stdout(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "-o", "-", "--json")
    assert result.code == 2
    assert "both write to stdout" in result.err


def test_debug_shows_the_traceback(sdcli: Any, engine: FakeEngine) -> None:
    with pytest.raises(UsageError):
        sdcli("gen", "a", "--steps", "0", "--debug")
