"""stdout is a program's even while a person watches the bar on stderr."""

from __future__ import annotations

from pathlib import Path

from faked_process import FAKED
from faked_terminal import FakedTerminal


def test_paths_go_into_the_pipe_and_the_bar_to_the_terminal() -> None:
    terminal = FakedTerminal()
    code, out = terminal.run([*FAKED, "gen", "a fox", "-s", "1-3", "-b", "1"], pipe=True)
    assert code == 0
    paths = out.decode().splitlines()
    assert [Path(path).name for path in paths] == ["00001-1.png", "00002-2.png", "00003-3.png"]
    assert all(Path(path).is_file() for path in paths)
    assert not any(path in text for path in paths for text in terminal.text)
