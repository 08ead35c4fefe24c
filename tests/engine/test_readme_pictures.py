"""The pages' pictures are what the commands above them make, and their Python works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import PAGES, blocks, files
from PIL import Image
from repository import ROOT, SEPIA

import sdcli
from sdcli.cli import run

PYTHON = [name for name, text in PAGES.items() if blocks(text, "python")]


def pictures() -> list[tuple[str, Path]]:
    """Each picture's command, which stands above it in the same column of a table."""
    found = []
    for name, text in PAGES.items():
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if line.startswith("| !["):
                commands, files = (lines[n].strip("|").split("|") for n in (number - 2, number))
                for command, file in zip(commands, files, strict=True):
                    path = re.search(r"\]\(([^)]+\.png)\)", file)
                    assert path is not None
                    found.append((command.strip().strip("`"), (ROOT / name).parent / path[1]))
    return found


def test_there_are_some() -> None:
    assert len(pictures()) >= 3
    shown = {path.resolve() for _, path in pictures()}
    assert shown == set((ROOT / "docs").glob("*.png"))


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


@pytest.mark.slow
@pytest.mark.parametrize("name", PYTHON)
def test_a_pages_python_works(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All of a page's blocks in one session, as a reader would type them."""
    Path("models/loras").mkdir(parents=True)
    shutil.copy(SEPIA, "models/loras/ink.safetensors")
    for file, content in files(PAGES[name]).items():
        Path(file).write_text(content)
    session: dict[str, Any] = {}
    for block in blocks(PAGES[name], "python"):
        exec(compile(block, name, "exec"), session)
    recipe = sdcli.read_recipe("circle.png")
    assert recipe is not None
    assert recipe.values["prompt"] == session["picture"].request.prompt
    assert recipe.values["seed"] == session["picture"].request.seed
    if name == "docs/python.md":
        assert session["recipe"] == recipe
        assert [job.request.seed for job in session["plan"].jobs] == [1, 5]
        assert all(Path(f"star-{seed}.png").exists() for seed in (1, 2))
        seed, error = capsys.readouterr().out.splitlines()
        assert int(seed) == recipe.values["seed"]
        assert "did you mean" in error
