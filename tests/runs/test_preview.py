"""`--preview`: the picture so far in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, FakeRun
from PIL import Image

from sdcli.runs import preview as previewing


def shown(path: str = "now.png") -> Any:
    with Image.open(path) as image:
        return image.convert("RGB").getpixel((0, 0))


def test_the_file_shows_the_picture(sdcli: Any, engine: FakeEngine) -> None:
    words = ["a fox", "-s", "1", "--preview", "now.png", "--preview-every", "1", "-o", "out/"]
    assert sdcli("gen", *words).lines == ["out/00001-1.png"]
    assert shown() == shown("out/00001-1.png")
    assert sorted(p.name for p in Path().iterdir()) == ["now.png", "out"]


@pytest.mark.parametrize(("every", "count"), [("1", 3), ("2", 1), ("3", 1), ("4", 0)])
def test_one_every_so_many_steps(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, every: str, count: int
) -> None:
    asked: list[int] = []
    preview = FakeRun.preview

    def asking(run: FakeRun) -> Image.Image:
        asked.append(run.requests[0].seed)
        return preview(run)

    monkeypatch.setattr(FakeRun, "preview", asking)
    words = ["-s", "1,2", "-b", "1", "--preview", "now.png", "--preview-every", every]
    assert sdcli("gen", "a fox", *words).code == 0
    assert asked == [1] * count + [2] * count


def test_only_a_preview_is_replaced(sdcli: Any, engine: FakeEngine) -> None:
    words = ["gen", "a fox", "--preview", "now.png", "--preview-every", "1"]
    assert sdcli(*words, "-s", "1").code == 0
    first = shown()
    assert sdcli(*words, "-s", "2").code == 0
    assert shown() != first
    Image.new("RGB", (8, 8)).save("now.png")
    result = sdcli(*words, "-s", "3")
    assert result.code == 2
    assert "--preview: now.png exists" in result.err
    assert shown() == (0, 0, 0)
    assert sdcli(*words, "-s", "3", "--overwrite").code == 0


def test_no_picture_fails_for_its_preview(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(previewing, "write_atomically", full)
    result = sdcli("gen", "a", "-s", "1", "--preview", "now.png", "--preview-every", "1")
    assert (result.code, len(result.lines)) == (0, 1)
    assert result.err.count("cannot write now.png: No space left on device") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preview-every", "2"], "--preview-every: it works only with --preview"),
        (["--preview", "now.bmp"], "--preview"),
        (["--preview", "now.png", "--preview-every", "0"], "--preview-every: must be at least 1"),
    ],
)
def test_what_is_refused(sdcli: Any, engine: FakeEngine, words: list[str], said: str) -> None:
    result = sdcli("gen", "a", *words)
    assert (result.code, engine.made) == (2, [])
    assert said in result.err


def test_a_habit_in_the_config_is_none_without_a_preview(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("config", "set", "preview_every", "2").code == 0
    assert sdcli("gen", "a").code == 0
