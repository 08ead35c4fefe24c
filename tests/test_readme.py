"""README is true: its commands run, its tables are the program's own."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from repository import README
from safetensors.numpy import save_file

import sdcli.runs.output
from sdcli.sampling import SAMPLERS, SCHEDULES
from sdcli.sources.presets import presets


def blocks(language: str) -> list[str]:
    """The code blocks in that language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def table(header: str) -> list[list[str]]:
    """The rows of the table with that header line."""
    _, _, rest = README.partition(f"{header}\n")
    rows = rest.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def commands() -> list[list[str]]:
    """Every sdcli command line of the sh blocks, in order."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|", line)]
    return [shlex.split(part)[1:] for part in parts if part.startswith("sdcli ")]


def test_the_two_commands_come_first() -> None:
    first, second = blocks("sh")[:2]
    assert first == (
        'pip install -c constraints.txt . && sdcli gen "a red house in the snow at night"\n'
    )
    assert second == "pip install -c constraints.txt '.[test]' && pytest\n"


def test_every_command_works(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In README's order, so that what one writes another reads. `doctor` needs torch."""
    lora = Path.home() / "stable-diffusion-webui/models/Lora/ink.safetensors"
    lora.parent.mkdir(parents=True)
    save_file({"x": np.zeros(1)}, lora)
    Path("prompts.txt").write_text("a fox\na cat --seed 7 --size 640x512\n")
    ran = 0
    for arguments in commands():
        if arguments == ["doctor"]:
            continue
        monkeypatch.setattr("sys.stdin", io.StringIO("from the pipe"))
        result = sdcli(*arguments)
        assert result.code == 0, (arguments, result.err)
        ran += 1
    assert ran >= 10


def test_the_sampler_table_is_the_catalog() -> None:
    rows = table("| sampler | order | model calls a step | noise | settles | schedule |")
    assert rows == [
        [
            row.name,
            str(row.order or "–"),
            str(row.evaluations),
            "each step" if row.stochastic else "start",
            row.settles,
            row.default_schedule,
        ]
        for row in SAMPLERS
    ]


def test_every_schedule_is_named() -> None:
    assert all(row.name in README for row in SCHEDULES)


def test_the_preset_table_is_what_ships() -> None:
    shipped = [[preset.name, preset.description] for preset in presets()]
    assert table("| preset | for |") == shipped


def test_every_template_field_is_named() -> None:
    named = re.search(r"Fields for `--output`: `(.*?)`", README)
    assert named is not None
    assert set(re.findall(r"{(\w+)}", named[1])) == set(sdcli.runs.output.FIELDS)
