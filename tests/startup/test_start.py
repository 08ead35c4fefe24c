"""Starting is cheap: what each command must not import, seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "diffusers", "transformers", "accelerate", "numpy", "huggingface_hub"}

REPORT = """
import json, sys
from sdcli.cli import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def modules_after(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command, and the top-level modules that it left imported."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, *arguments],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["samplers"]], ids=" ".join)
def test_the_quickest_commands_import_no_pydantic_either(arguments: list[str]) -> None:
    code, names = modules_after(*arguments)
    assert code == 0
    assert not names & (HEAVY | {"pydantic", "rich", "PIL"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["gen", "--help"],
        ["samplers", "Euler a", "--json"],
        ["presets", "list"],
        ["presets", "show", "draft"],
        ["config", "show"],
        ["config", "path"],
    ],
    ids=" ".join,
)
def test_desk_commands_never_import_torch(arguments: list[str]) -> None:
    code, names = modules_after(*arguments)
    assert code == 0
    assert not names & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ["gen", "a", "--sampler", "Eular"],
        ["gen", "a", "--preset", "drft"],
        ["gen", "a", "--size", "100x64"],
        ["gen", "a", "--steps", "0"],
        ["gen", "a", "--seed", "abc"],
        ["gen", "a", "--eta", "1"],
        ["gen", "a", "-m", "./no/such/folder"],
        ["gen", "a", "-o", "/dev/null/x/"],
        ["info", "no-such.png"],
    ],
    ids=" ".join,
)
def test_bad_input_is_told_before_anything_heavy(arguments: list[str]) -> None:
    code, names = modules_after(*arguments)
    assert code == 2
    assert not names & HEAVY
