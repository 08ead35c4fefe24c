"""--show: who has it, and what becomes of it where nobody would see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faked_process import FAKED
from faked_terminal import KITTY, FakedTerminal
from fakes import FakeEngine
from quick import slow


@pytest.mark.parametrize(
    ("command", "pictures"),
    [
        ("batch rows.txt", 2),
        slow("again old.png", 1),
        slow("again old.png --json", 1),
        slow("gen fox -q", 1),
        slow("gen fox --sweep steps=3,4 --grid -o out/", 2),
        slow("upscale old.png", 1),
        slow("upscale old.png --tile --tile-overlap 16", 1),
        slow("info old.png", 1),
    ],
)
def test_every_command_that_has_pictures_shows_them(
    sdcli: Any, engine: FakeEngine, command: str, pictures: int
) -> None:
    assert sdcli("gen", "a cat", "-s", "1", "--size", "64x64", "-o", "old.png").code == 0
    Path("rows.txt").write_text("a fox\na cat\n")
    terminal = FakedTerminal(answers=KITTY)
    code, _ = terminal.run([*FAKED, *command.split(), "--show"])
    assert code == 0
    assert len(terminal.drawn) == pictures


NOWHERE = "--show: stderr is not a terminal, so no picture is shown"


def test_without_a_terminal_who_typed_it_is_told_once(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a fox", "-s", "1-3", "-b", "1", "--show")
    assert result.code == 0
    assert result.err.count(NOWHERE) == 1
    assert [Path(line).is_file() for line in result.lines] == [True] * 3
    for command in (("upscale", result.lines[0]), ("info", result.lines[0])):
        result = sdcli(*command, "--show")
        assert result.code == 0
        assert result.err == f"warning: {NOWHERE}\n"
        assert "\x1b" not in result.out


def test_without_a_terminal_a_script_gets_it_as_an_event(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a fox", "-s", "1", "--show", "--json")
    assert json.loads(result.lines[0]) == {"event": "warning", "message": NOWHERE}


def test_the_config_means_where_there_is_a_terminal(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("config", "set", "show", "true").code == 0
    result = sdcli("gen", "a fox", "-s", "1")
    assert result.code == 0
    assert "--show" not in result.err
    assert "--show" not in sdcli("upscale", result.lines[0]).err
    terminal = FakedTerminal(answers=KITTY)
    assert terminal.run([*FAKED, "gen", "a fox", "-s", "1"])[0] == 0
    assert len(terminal.drawn) == 1


def test_without_show_nothing_of_it_is_imported() -> None:
    names = "sdcli.cli.commands.gen, sdcli.cli.commands.info"
    script = f"import sys; import {names}; print(*sys.modules)"
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert not {"numpy", "PIL", "rich", "termios"} & {*out.split()}
