"""README's pictures are what the commands above them make."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repository import ROOT

from sdcli.cli import run

LINES = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def pictures() -> list[tuple[str, Path]]:
    """Each picture's command, which stands above it in the same column of a table."""
    found = []
    for number, line in enumerate(LINES):
        if "](docs/" in line:
            commands, files = (LINES[n].strip("|").split("|") for n in (number - 2, number))
            for command, file in zip(commands, files, strict=True):
                path = re.search(r"\]\((docs/[^)]+\.png)\)", file)
                assert path is not None
                found.append((command.strip().strip("`"), ROOT / path[1]))
    return found


def test_there_are_some() -> None:
    assert len(pictures()) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(("command", "file"), pictures(), ids=lambda value: Path(value).stem)
def test_the_command_makes_the_picture(
    command: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to rounding, which differs from one processor to the next."""
    program, *arguments = shlex.split(command)
    assert program == "sdcli"
    assert run(arguments) == 0
    made = Image.open(capsys.readouterr().out.strip())
    difference = np.asarray(made, np.float64) - np.asarray(Image.open(file), np.float64)
    assert np.abs(difference).mean() < 1
