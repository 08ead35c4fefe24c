"""A batch killed at any moment: finished pictures stay, none is made twice, none is cut short."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faked_process import FAKED
from PIL import Image

from sdcli.runs.journal import NAME

ROWS, KILLS = 120, 20


def started() -> subprocess.Popen[str]:
    command = ["batch", "p.txt", "-o", "out/", "-b", "1", "--resume"]
    return subprocess.Popen(
        [*FAKED, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def some_lines(process: subprocess.Popen[str], count: int) -> Iterator[str]:
    assert process.stdout is not None
    for _ in range(count):
        if line := process.stdout.readline():
            yield line.strip()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_twenty_kills_lose_and_double_nothing() -> None:
    chance = random.Random(0)
    Path("p.txt").write_text("".join(f"fox {row} --seed {row % 5}\n" for row in range(ROWS)))
    told: list[str] = []
    for _ in range(KILLS):
        with started() as process:
            told += some_lines(process, chance.randrange(5))
            time.sleep(chance.random() / 50)
            process.kill()
        assert all(Path(path).exists() for path in told)
    with started() as process:
        told += some_lines(process, ROWS)
    assert process.returncode == 0
    found = sorted(path for path in Path("out").rglob("*") if path.is_file())
    assert found[0].name == NAME
    assert len(found) == 1 + ROWS
    texts = set()
    for path in found[1:]:
        with Image.open(path) as image:
            image.load()
            texts.add(image.info["parameters"].partition("\n")[0])
    assert texts == {f"fox {row}" for row in range(ROWS)}
    assert set(told) <= {str(path) for path in found}
    assert len(set(told)) == len(told)
