"""Starting is cheap: what each command must not import, seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

HEAVY = {"torch", "diffusers", "transformers", "accelerate", "numpy", "huggingface_hub"}

REPORT = """
import json, sys
from sdcli.cli import run
for line in json.loads(sys.argv[1]):
    code = run(line)
    names = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps([line, code, names]), file=sys.stderr)
"""


def modules_after(*lines: list[str]) -> Iterator[tuple[list[str], int, set[str]]]:
    """Each of the command lines, its exit code, and the top-level modules imported by then."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, json.dumps(lines)],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    for told in done.stderr.splitlines():
        if told.startswith("[["):
            line, code, names = json.loads(told)
            yield line, code, set(names)


def test_the_quickest_commands_import_no_pydantic_either() -> None:
    seen = [*modules_after(["--version"], ["--help"], ["samplers"])]
    assert len(seen) == 3
    for line, code, names in seen:
        assert code == 0, line
        assert not names & (HEAVY | {"pydantic", "rich", "PIL"}), line


def test_desk_commands_never_import_torch() -> None:
    lines = [
        ["gen", "--help"],
        ["samplers", "Euler a", "--json"],
        ["presets", "list"],
        ["presets", "show", "draft"],
        ["config", "show"],
        ["config", "path"],
    ]
    seen = [*modules_after(*lines)]
    assert [line for line, _, _ in seen] == lines
    for line, code, names in seen:
        assert code == 0, line
        assert not names & HEAVY, line


def test_bad_input_is_told_before_anything_heavy() -> None:
    lines = [
        ["gen", "a", "--sampler", "Eular"],
        ["gen", "a", "--preset", "drft"],
        ["gen", "a", "--size", "100x64"],
        ["gen", "a", "--steps", "0"],
        ["gen", "a", "--seed", "abc"],
        ["gen", "a", "--eta", "1"],
        ["gen", "a", "-m", "./no/such/folder"],
        ["gen", "a", "-o", "/dev/null/x/"],
        ["info", "no-such.png"],
    ]
    seen = [*modules_after(*lines)]
    assert [line for line, _, _ in seen] == lines
    for line, code, names in seen:
        assert code == 2, line
        assert not names & HEAVY, line
