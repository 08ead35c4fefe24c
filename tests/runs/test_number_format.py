"""Pictures that were made in bf16 say so, and are made in it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, FakePlacement

from sdcli.images.formats import read_chunks
from sdcli.runs import engines as loaded

COARSE = "Number format: bf16"


@pytest.fixture
def formats(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What engines are loaded in, one after the other; on this CPU auto is fp32."""
    found: list[str] = []

    def load(model: Any, settings: Any, warn: Any) -> FakeEngine:
        found.append(settings.dtype)
        chosen = "fp32" if settings.dtype == "auto" else settings.dtype
        engine.placement = replace(FakePlacement(), dtype_name=chosen)
        return engine

    monkeypatch.setattr(loaded, "load_engine", load)
    return found


def text(path: str) -> str:
    return read_chunks(Path(path))["parameters"]


def test_a_picture_in_bf16_says_so_and_no_other(sdcli: Any, formats: list[str]) -> None:
    for dtype, told in (("bf16", True), ("fp32", False), ("fp16", False), ("auto", False)):
        words = ["gen", "a", "-s", "1", "--dtype", dtype, "-o", f"{dtype}.png"]
        assert sdcli(*words).code == 0
        assert (COARSE in text(f"{dtype}.png")) is told
    assert formats == ["bf16", "fp32", "fp16", "auto"]


def test_it_is_made_again_as_it_was(sdcli: Any, formats: list[str]) -> None:
    sdcli("gen", "a", "-s", "1", "--dtype", "bf16", "-o", "coarse.png")
    sdcli("gen", "a", "-s", "1", "-o", "exact.png")
    formats.clear()
    result = sdcli("again", "coarse.png", "exact.png", "coarse.png", "-o", "out/", "--check")
    assert (result.code, len(result.lines)) == (0, 3)
    assert formats == ["bf16", "auto"]
    assert [COARSE in text(path) for path in result.lines] == [True, False, True]
    assert sdcli("again", "coarse.png", "--dtype", "fp32", "-o", "other.png").code == 0
    assert COARSE not in text("other.png")
    assert sdcli("gen", "--from", "coarse.png", "-o", "from.png").code == 0
    assert COARSE in text("from.png")


def test_info_tells_it(sdcli: Any, formats: list[str]) -> None:
    sdcli("gen", "a", "-s", "1", "--dtype", "bf16", "-o", "coarse.png")
    assert sdcli("info", "coarse.png", "--as-command").out.endswith("--dtype bf16\n")
    result = sdcli("info", "coarse.png", "--json")
    assert '"not_honoured": {}' in result.out
    assert result.err == ""


def test_that_it_would_be_faster_is_told_once(
    sdcli: Any, engine: FakeEngine, formats: list[str]
) -> None:
    engine.bf16_pays = True
    hint = "hint: --dtype bf16 is about twice as fast here"
    assert sdcli("gen", "a", "-c", "3", "-o", "a/").err.count(hint) == 1
    assert hint not in sdcli("gen", "a", "--dtype", "fp32", "-o", "b/").err
    assert hint not in sdcli("-q", "gen", "a", "-o", "c/").err
