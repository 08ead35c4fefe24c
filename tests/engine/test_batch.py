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
from sdcli.likeness import likeness
from sdcli.recipes import read_recipe
from sdcli.request import GenerationRequest

SAMPLERS = ("Euler", "DPM++ 2M Karras", "Euler a", "DDIM", "DPM++ 2M SDE", "Heun")
SIZES = ("64x64", "72x64")
ROWS: list[dict[str, Any]] = [
    {
        "prompt": f"fox {number}, {'red' if number % 3 else 'old'} cat",
        "sampler": SAMPLERS[number % len(SAMPLERS)],
        "size": SIZES[number // 3 % 2],
        "steps": 3 + number % 2,
        "seed": 100 - number,
        "cfg_scale": 2.5,
    }
    for number in range(24)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", as_text()),
        ("p.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
        ("p.csv", as_csv()),
        ("p.toml", as_toml()),
    ],
    ids=["txt", "jsonl", "csv", "toml"],
)
def test_every_picture_is_the_one_made_alone(
    tiny: Engine, tiny_folder: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(text)
    assert run(["batch", name, "-m", str(tiny_folder), "--device", "cpu", "-o", "out/"]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(paths) == len(ROWS)
    for path, row in zip(paths, ROWS, strict=True):
        recipe = read_recipe(path)
        assert recipe is not None
        assert (recipe.values["prompt"], recipe.values["seed"]) == (row["prompt"], row["seed"])
        width, height = map(int, row["size"].split("x"))
        values = {key: row[key] for key in row if key != "size"}
        request = GenerationRequest(**values, width=width, height=height)
        with Image.open(path) as found:
            assert likeness(found, tiny.generate(request).image).greatest <= 1
    assert len({np.asarray(Image.open(path)).tobytes() for path in paths}) == len(ROWS)
