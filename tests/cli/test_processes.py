"""sdcli as a process of its own: interrupted, terminated, two at once, and closed pipes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow


@contextmanager
def sdcli(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running process, killed at the end at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", "sdcli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def files(folder: str) -> list[Path]:
    """Every file, hidden ones too."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interruption_in_mid_step_keeps_finished_pictures(
    tiny_folder: Path, sent: signal.Signals
) -> None:
    """The first picture is done, the second in the middle of 400 steps."""
    arguments = ["-m", str(tiny_folder), "-s", "1,2", "-b", "1", "--steps", "400", "-o", "out/"]
    with sdcli("gen", "a", *arguments, "--json") as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            event = json.loads(line)
            seen.append(event)
            if event["event"] == "progress" and event["job"] == 2 and event["step"] >= 20:
                process.send_signal(sent)
                break
        rest = [json.loads(line) for line in process.stdout]
        error = process.stderr.read() if process.stderr else ""
        code = process.wait(timeout=60)
    assert code == 130, error
    [picture] = [event for event in seen if event["event"] == "picture"]
    assert files("out") == [Path(picture["path"])]
    Image.open(picture["path"]).load()
    assert rest[-1]["event"] == "end"
    assert (rest[-1]["made"], rest[-1]["skipped"]) == (1, 1)
    assert "Traceback" not in error
    assert "interrupted" in error


def test_two_processes_in_one_folder_lose_nothing(tiny_folder: Path) -> None:
    """The same seeds, names and folder at the same time."""
    arguments = ["gen", "a", "-m", str(tiny_folder), "-s", "1", "-c", "6", "-b", "1"]
    arguments += ["--steps", "2", "-o", "out/{seed}"]
    with sdcli(*arguments) as first, sdcli(*arguments) as second:
        printed = [*first.communicate(timeout=120)[0].split()]
        printed += second.communicate(timeout=120)[0].split()
        assert (first.returncode, second.returncode) == (0, 0)
    assert len(printed) == 12
    assert len(set(printed)) == 12
    assert files("out") == sorted(map(Path, printed))
    for path in printed:
        Image.open(path).load()


def test_a_reader_that_leaves_is_no_crash(tiny_folder: Path) -> None:
    """As in `sdcli gen … | head -n 1`: pictures in flight may be lost, a traceback may not come."""
    arguments = ["-m", str(tiny_folder), "-s", "1", "-c", "4", "-b", "1", "--steps", "2"]
    with sdcli("gen", "a", *arguments, "-o", "out/") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read() if process.stderr else ""
        assert process.wait(timeout=60) == 1
    assert "Traceback" not in error
    assert "BrokenPipe" not in error


def test_doctor_tells_what_would_be_chosen() -> None:
    with sdcli("doctor", "--json") as process:
        out, _ = process.communicate(timeout=60)
    facts = json.loads(out)
    assert process.returncode == 0
    assert facts["torch"].startswith("2.")
    assert "builtin" in facts["model"]
    assert "would use" in facts
