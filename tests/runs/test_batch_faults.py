"""What may happen in a night: a full disk, a folder that goes, signals, two processes, names."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faked_process import FAKED
from fakes import FakeEngine, FakeRun
from PIL import Image
from quick import slow

from sdcli.runs.journal import NAME

ROWS = "".join(f"fox {row} --seed {row}\n" for row in range(40))


def started(*words: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*FAKED, "batch", "p.txt", "-b", "1", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def pictures() -> list[Path]:
    """All files in out/ but the journal, each of them whole."""
    found = sorted(path for path in Path("out").rglob("*") if path.is_file() and path.name != NAME)
    for path in found:
        with Image.open(path) as image:
            image.load()
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_disk_that_is_full_for_one_picture_stops_no_other() -> None:
    Path("p.txt").write_text("a --seed 1\nb --seed 2 --size 4096x4096\nc --seed 3\n")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    with started("-o", "out/", before=small_files) as process:
        out, error = process.communicate(timeout=60)
    assert process.returncode == 1, error
    assert out.splitlines() == ["out/00001-1.png", "out/00003-3.png"]
    assert "cannot write out/00002-2.png: File too large" in error
    assert [str(path) for path in pictures()] == out.splitlines()


def test_a_folder_that_goes_away_is_made_again(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("p.txt").write_text("a --seed 1\nb --seed 2\nc --seed 3\n")
    start = engine.start

    def removing(requests: Any, **rest: Any) -> FakeRun:
        if requests[0].seed == 2:
            shutil.rmtree("out", ignore_errors=True)
        return start(requests, **rest)

    monkeypatch.setattr(engine, "start", removing)
    result = sdcli("batch", "p.txt", "-b", "1", "-o", "out/")
    assert (result.code, len(result.lines)) == (0, 3)
    assert {path.name for path in pictures()} >= {"00002-2.png", "00003-3.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="has other signals")
@pytest.mark.parametrize("sent", [slow(signal.SIGINT), signal.SIGTERM], ids=lambda s: s.name)
def test_a_signal_keeps_what_is_finished(sent: signal.Signals) -> None:
    Path("p.txt").write_text(ROWS)
    with started("-o", "out/") as process:
        assert process.stdout is not None
        first = [process.stdout.readline().strip() for _ in range(3)]
        process.send_signal(sent)
        rest, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "interrupted" in error
    assert "Traceback" not in error
    told = [*first, *rest.splitlines()]
    assert [str(path) for path in pictures()] == sorted(told)
    assert 3 <= len(told) < 40
    with started("-o", "out/", "--resume") as process:
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(rest.splitlines()) == 40 - len(told)
    assert len(pictures()) == 40


@pytest.mark.slow
def test_two_shards_at_once_share_a_folder() -> None:
    Path("p.txt").write_text(ROWS)
    with (
        started("-o", "out/", "--shard", "1/2") as one,
        started("-o", "out/", "--shard", "2/2") as other,
    ):
        told = [process.communicate(timeout=60)[0].splitlines() for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0)
    assert [len(each) for each in told] == [20, 20]
    assert {str(path) for path in pictures()} == {*told[0], *told[1]}
    with started("-o", "out/", "--resume") as process:
        assert process.communicate(timeout=60)[0] == ""


@pytest.mark.parametrize(
    "prompt", ["../../x", "/etc/passwd", "a" * 300, "\U0001f98a" * 120, "..", "a\\b|c?*", "con."]
)
def test_no_prompt_breaks_a_name(sdcli: Any, engine: FakeEngine, prompt: str) -> None:
    Path("p.txt").write_text(f"{prompt}\nplain\n")
    result = sdcli("batch", "p.txt", "-s", "1", "-o", "out/{prompt}-{seed}")
    assert (result.code, len(result.lines)) == (0, 2), result.err
    assert len(pictures()) == 2
    assert all(path.parent == Path("out") for path in pictures())


def test_a_nul_in_a_prompt_is_told_with_its_line(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text("plain\na\0b\n")
    result = sdcli("batch", "p.txt")
    assert result.code == 2
    assert "p.txt, line 2: prompt: a prompt cannot hold NUL" in result.err


def test_a_field_that_is_none_is_told_once(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text("plain\n" * 10)
    result = sdcli("batch", "p.txt", "-o", "out/{sede}")
    assert result.code == 2
    assert "unknown field {sede}" in result.err
    assert result.err.count("unknown field") == 1
