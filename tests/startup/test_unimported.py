"""What `gen` leaves unimported, and that it is there for whoever asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdcli.startup.lazy_packages import COMPILER, UNUSED

GEN = """
import json, sys
from sdcli.cli import run
from sdcli.startup.lazy_packages import waiting
code = run(["gen", "a", "-m", sys.argv[1], "--size", "64x64", "--steps", "2", "-o", "a.png"])
print(json.dumps([code, sorted(waiting())]), file=sys.stderr)
"""
ASKED = """
from sdcli.startup import fast_torch_import
from sdcli.startup.lazy_packages import waiting
with fast_torch_import():
    import sdcli.engine
import torch
from diffusers import UNet3DConditionModel
from diffusers.models import transformers, unets
from transformers import BertModel, models
assert unets.UNet3DConditionModel is UNet3DConditionModel
assert transformers.Transformer2DModel
assert models.albert.AlbertModel
assert models.bert.BertModel is BertModel
twice = torch.compile(lambda x: 2 * x, backend="eager")
assert twice(torch.ones(1)) == 2
assert waiting() == {"diffusers.models.autoencoders"}, waiting()
"""


def in_its_own_process(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_picture_needs_none_of_them(tiny_folder: Path) -> None:
    last = in_its_own_process(GEN, str(tiny_folder)).splitlines()[-1]
    assert json.loads(last) == [0, sorted({*UNUSED, *COMPILER})]


@pytest.mark.slow
def test_all_of_them_are_there_when_asked() -> None:
    in_its_own_process(ASKED)
