"""A batch file on a model: every picture is the one that its request makes alone."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdcli.cli import run
from sdcli.engine import Engine
from sdcli.images.compare import likeness
from sdcli.request import GenerationRequest
from sdcli.sources.recipes import read_recipe

SAMPLERS = ("Euler", "DPM++ 2M Karras", "Euler a", "DDIM", "DPM++ 2M SDE", "Heun")
SIZES = ("64x64", "80x64")
COLOURS = ("red", "green", "blue", "yellow")
FIGURES = ("circle", "square", "star")
ROWS: list[dict[str, Any]] = [
    {
        "prompt": f"a {COLOURS[number % 4]} {FIGURES[number % 3]}, {number}",
        "sampler": SAMPLERS[number % len(SAMPLERS)],
        "size": SIZES[number // 3 % 2],
        "steps": 3 + number % 2,
        "seed": 1000 - number,
        "cfg_scale": 2.5,
    }
    for number in range(200)
]


def as_text() -> str:
    lines = []
    for row in ROWS:
        prompt, sampler, *rest = row.values()
        words = [f'"{prompt}" --sampler "{sampler}"']
        words += [f"--{key} {value}" for key, value in zip(list(row)[2:], rest, strict=True)]
        lines.append(" ".join(words) + "\n")
    return "".join(lines)


def as_csv() -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ROWS[0])
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue()


def as_toml() -> str:
    tables = ("\n".join(f"{key} = {json.dumps(row[key])}" for key in row) for row in ROWS)
    return "".join(f"[[picture]]\n{table}\n" for table in tables)


def alone(engine: Engine, row: dict[str, Any]) -> Image.Image:
    """A row's picture, made by itself."""
    width, height = map(int, row["size"].split("x"))
    values = {key: row[key] for key in row if key != "size"}
    return engine.generate(GenerationRequest(**values, width=width, height=height)).image


@pytest.mark.slow
def test_every_picture_is_the_one_made_alone(
    builtin: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for name, text in (("p.txt", as_text()), ("p.csv", as_csv()), ("p.toml", as_toml())):
        Path(name).write_text(text)
    flags = ["--device", "cpu", "-o", "out/", "--resume"]
    assert run(["batch", "p.jsonl", *flags]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(paths) == len(ROWS)
    for path, row in zip(paths, ROWS, strict=True):
        recipe = read_recipe(path)
        assert recipe is not None
        assert (recipe.values["prompt"], recipe.values["seed"]) == (row["prompt"], row["seed"])
        with Image.open(path) as found:
            assert likeness(found, alone(builtin, row)).greatest <= 1
    assert len({np.asarray(Image.open(path)).tobytes() for path in paths}) == len(ROWS)
    for name in ("p.txt", "p.csv", "p.toml"):  # which ask for the same, to the last field
        assert run(["batch", name, *flags]) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert "200 of 200 pictures are already finished" in said.err
