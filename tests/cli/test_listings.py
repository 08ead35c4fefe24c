"""The commands that need no model: samplers, presets, config and info, for people and scripts."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from PIL import Image, PngImagePlugin

from sdcli.cli import run
from sdcli.cli.app import COMMANDS
from sdcli.sampling import SAMPLERS, SCHEDULES, SHELF
from sdcli.sources.presets import presets


def test_help_lists_every_command(sdcli: Any) -> None:
    result = sdcli("--help")
    assert result.code == 0
    for name, line in COMMANDS.items():
        assert name in result.out
        assert line in result.out


def test_no_command_shows_the_help(sdcli: Any) -> None:
    assert sdcli().out == sdcli("--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_fits_80_columns(sdcli: Any, name: str) -> None:
    result = sdcli(name, "--help")
    assert result.code == 0
    assert COMMANDS[name].split(",")[0].rstrip(".").split(" and ")[0] in result.out.replace(
        "\n", " "
    )
    assert max(map(len, result.lines)) <= 80


def test_version(sdcli: Any) -> None:
    assert sdcli("--version").out.startswith("sdcli ")


def test_an_unknown_command_is_told_the_nearest(sdcli: Any) -> None:
    result = sdcli("sampler")
    assert result.code == 2
    assert "Did you mean 'samplers'" in result.err


def test_samplers_are_a_table_that_cut_can_read(sdcli: Any) -> None:
    header, *rows = (line.split("\t") for line in sdcli("samplers").lines)
    assert header[0] == "SAMPLER"
    assert [row[0] for row in rows] == [row.name for row in (*SAMPLERS, *SHELF)]
    assert {len(row) for row in rows} == {len(header)}


def test_samplers_as_json(sdcli: Any) -> None:
    rows = [json.loads(line) for line in sdcli("samplers", "--json").lines]
    assert [row["name"] for row in rows] == [row.name for row in (*SAMPLERS, *SHELF)]
    [euler_a] = [row for row in rows if row["name"] == "Euler a"]
    assert euler_a["options"] == {"eta": 1.0, "s_noise": 1.0}
    assert euler_a["stochastic"] is True


def test_one_sampler_in_full(sdcli: Any) -> None:
    result = sdcli("samplers", "k_euler_a")
    assert result.lines[0].startswith("Euler a:")
    assert "--eta (1.0)" in result.out
    assert json.loads(sdcli("samplers", "euler karras", "--json").out)["schedule"] == "Karras"


def test_an_unknown_sampler_exits_2(sdcli: Any) -> None:
    result = sdcli("samplers", "eular")
    assert (result.code, result.out) == (2, "")
    assert "'Euler'" in result.err


def test_schedules_are_listed(sdcli: Any) -> None:
    header, *rows = (line.split("\t") for line in sdcli("schedulers").lines)
    assert header == ["SCHEDULE", "OPTIONS", "ADVICE"]
    assert [row[0] for row in rows] == [row.name for row in SCHEDULES]
    facts = [json.loads(line) for line in sdcli("schedulers", "--json").lines]
    assert [fact["name"] for fact in facts] == [row.name for row in SCHEDULES]
    assert all(len(fact["sigmas_10"]) == 11 for fact in facts)


def test_one_schedule_in_full(sdcli: Any) -> None:
    result = sdcli("schedulers", "ays")
    assert result.lines[0].startswith("Align Your Steps:")
    assert "14.61" in result.out
    unknown = sdcli("schedulers", "karas")
    assert (unknown.code, unknown.out) == (2, "")
    assert "'Karras'" in unknown.err


def test_presets_list_and_show(sdcli: Any) -> None:
    names = [line.split("\t")[0] for line in sdcli("presets", "list").lines[1:]]
    assert {"draft", "quality", "converged", "a1111-default"} <= set(names)
    assert len(names) >= 6
    for preset in presets():
        shown = tomllib.loads(sdcli("presets", "show", preset.name).out)
        assert shown["description"] == preset.description


def test_config_round_trip(sdcli: Any) -> None:
    assert sdcli("config", "get", "steps").code == 1
    assert sdcli("config", "set", "cfg-scale", "5.5").code == 0
    assert sdcli("config", "set", "sampler", "Euler a").code == 0
    assert sdcli("config", "get", "cfg_scale").out == "5.5\n"
    assert sdcli("config", "set", "model", "1.5").code == 0  # a folder's name, not a number
    assert sdcli("config", "unset", "model").code == 0
    assert tomllib.loads(sdcli("config", "show").out) == {"cfg_scale": 5.5, "sampler": "Euler a"}
    assert json.loads(sdcli("config", "show", "--json").out)["sampler"] == "Euler a"
    assert sdcli("config", "unset", "sampler").code == 0
    assert Path(sdcli("config", "path").out.strip()).read_text() == "cfg_scale = 5.5\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["set", "stpes", "3"], "'steps'", id="unknown key"),
        pytest.param(["set", "steps", "0"], "must be at least 1", id="bad value"),
        pytest.param(["set", "seed", "3"], "config has no key 'seed'", id="not a default"),
        pytest.param(["unset", "steps"], "steps is not set", id="unset nothing"),
        pytest.param(["get", "stpes"], "'steps'", id="get unknown"),
    ],
)
def test_config_refuses(sdcli: Any, arguments: list[str], said: str) -> None:
    result = sdcli("config", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


TEXT = (
    "a fox\nNegative prompt: fog\nSteps: 30, Sampler: Euler a, Schedule type: Karras, "
    "CFG scale: 6.5, Seed: 9, Size: 64x72, Model: some, Clip skip: 2, Refiner: other, "
    "Version: v1.10.1"
)


@pytest.fixture
def picture() -> str:
    """A picture as A1111 writes it."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", TEXT)
    Image.new("RGB", (8, 8)).save("fox.png", pnginfo=info)
    return "fox.png"


def test_info_prints_the_text_itself(sdcli: Any, picture: str) -> None:
    assert sdcli("info", picture).out == TEXT + "\n"


def test_info_as_json(sdcli: Any, picture: str) -> None:
    told = json.loads(sdcli("info", picture, "--json").out)
    assert told["prompt"] == "a fox"
    assert told["settings"]["Clip skip"] == "2"
    assert told["not_honoured"] == {"Refiner": "other"}
    assert told["request"]["clip_skip"] == 2
    assert told["request"]["cfg_scale"] == 6.5
    assert told["request"]["rng"] == "nv"


def test_info_as_command_is_a_command(sdcli: Any, picture: str) -> None:
    result = sdcli("info", picture, "--as-command")
    words = shlex.split(result.out)
    assert words[:3] == ["sdcli", "gen", "a fox"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options == {
        "--negative-prompt": "fog",
        "--sampler": "Euler a",
        "--scheduler": "Karras",
        "--steps": "30",
        "--cfg-scale": "6.5",
        "--seed": "9",
        "--clip-skip": "2",
        "--rng": "nv",
        "--width": "64",
        "--height": "72",
        "--model": "some",
    }
    assert "Refiner" in result.err


def test_info_as_preset_is_a_preset(sdcli: Any, picture: str) -> None:
    preset = tomllib.loads(sdcli("info", picture, "--as-preset").out)
    assert preset["steps"] == 30
    assert "seed" not in preset


def test_info_on_several(sdcli: Any, picture: str) -> None:
    result = sdcli("info", picture, picture)
    assert result.out == f"# fox.png\n{TEXT}\n\n# fox.png\n{TEXT}\n"


def test_info_without_settings_exits_1(sdcli: Any) -> None:
    Image.new("RGB", (8, 8)).save("bare.png")
    result = sdcli("info", "bare.png")
    assert (result.code, result.out) == (1, "")
    assert "bare.png has no settings" in result.err


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, id="a PNG's first bytes only"),
        pytest.param(b"hello", id="no picture"),
    ],
)
def test_info_on_a_damaged_file_exits_2(sdcli: Any, content: bytes) -> None:
    Path("bad.png").write_bytes(content)
    result = sdcli("info", "bad.png")
    assert (result.code, result.out) == (2, "")
    assert "bad.png" in result.err
    assert "Traceback" not in result.err


def test_info_on_a_picture_cut_short_exits_2(sdcli: Any) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", TEXT)
    Image.effect_noise((64, 64), 50).save("cut.png", pnginfo=info)
    whole = Path("cut.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    assert sdcli("info", "cut.png").code == 2


def test_info_takes_one_form(sdcli: Any, picture: str) -> None:
    assert sdcli("info", picture, "--json", "--as-command").code == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        pytest.param("sdcli gen --sampler Res", ["Restart", "Res Multistep"], id="samplers"),
        pytest.param("sdcli gen --scheduler Ka", ["Karras"], id="schedules"),
        pytest.param("sdcli gen --preset dra", ["draft"], id="presets"),
        pytest.param("sdcli sam", ["samplers"], id="commands"),
        pytest.param("sdcli gen -m dream", ["dreamshaper"], id="models"),
        pytest.param("sdcli gen --vae g", ["good"], id="VAEs"),
        pytest.param("sdcli gen --lora in", ["ink"], id="LoRAs"),
        pytest.param("sdcli models info bu", ["builtin"], id="a model"),
        pytest.param("sdcli explain Eu", ["Euler a", "Euler", "Euler CFG++", "Euler a CFG++"]),
        pytest.param("sdcli samplers LM", ["LMS"], id="a sampler"),
        pytest.param("sdcli presets show por", ["portrait"], id="a preset"),
        pytest.param("sdcli config get offl", ["offline", "offload"], id="a key"),
    ],
)
def test_the_shell_completes(
    typed: str,
    offered: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("models/Stable-diffusion/dreamshaper", "models/VAE/good", "models/Lora/ink"):
        path = Path(f"webui/{name}.safetensors")
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setenv("SDCLI_MODELS_DIR", str(Path("webui").resolve()))
    for name, value in completing(typed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        run([])
    assert not left.value.code
    assert capsys.readouterr().out.splitlines() == offered


def test_the_shell_completes_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdcli"],
        env={**os.environ, **completing("sdcli gen --sampler Res")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["Restart", "Res Multistep"]


def completing(typed: str) -> dict[str, str]:
    """The variables by which bash asks what may follow."""
    count = str(len(typed.split()) - 1)
    return {"_SDCLI_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": count}


def test_lists_and_switches_are_typed_as_they_must_be(sdcli: Any, engine: FakeEngine) -> None:
    arguments = ["-S", "Euler", "--sigmas", "14,7.5,2,0", "--tiling", "-s", "1", "-o", "x.png"]
    assert sdcli("gen", "a fox", *arguments).code == 0
    words = shlex.split(sdcli("info", "x.png", "--as-command").out)
    assert sdcli(*words[1:], "-o", "y.png").code == 0
    texts = [sdcli("info", name).out for name in ("x.png", "y.png")]
    assert texts[0] == texts[1]
    assert "Tiling: True" in texts[0]
    Path("presets").mkdir()
    Path("presets/mine.toml").write_text(sdcli("info", "x.png", "--as-preset").out)
    assert sdcli("gen", "a fox", "--preset", "mine", "-s", "1", "-o", "z.png").code == 0
    assert sdcli("info", "z.png").out == texts[0]


def test_help_of_many_options_shows_those_of_every_day(sdcli: Any) -> None:
    everyday, whole = sdcli("gen", "--help"), sdcli("gen", "--help-all")
    assert everyday.code == whole.code == 0
    assert "--sampler" in everyday.out
    assert "--repaint-jump" not in everyday.out
    assert "--repaint-jump" in whole.out
    options = [line for line in everyday.lines if line.startswith("  -")]
    assert 20 <= len(options) <= 32
    assert len([line for line in whole.lines if line.startswith("  -")]) > 90
    assert "--help-all" in everyday.out
    assert "--help-all" not in whole.out


@pytest.mark.parametrize("word", ["inpainting", "Inpainting", "inp"])
def test_help_of_one_section(sdcli: Any, word: str) -> None:
    shown = sdcli("gen", "--help", word).out
    assert "--repaint-jump" in shown
    assert "--sampler" not in shown.partition("More options")[0]


def test_a_prompt_about_help_is_a_prompt(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("gen", "--seed", "1", "--", "--help").code == 0
    assert engine.made[0].prompt == "--help"
