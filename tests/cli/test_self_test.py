"""`sdcli doctor --self-test` on a fake engine: what is compared, and what is said of it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fakes import FakeEngine, FakePicture, FakePlacement, FakeRun
from PIL import Image

from sdcli.runs import engines
from sdcli.runs.self_test import LEAST_PSNR, compared


@dataclass(frozen=True)
class _Brighter(FakePlacement):
    device_name: str = "a card"
    dtype_name: str = "fp16"


class Off(FakeEngine):
    """A device whose every picture is brighter by some levels."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.placement = _Brighter()
        self._levels = levels

    def start(self, requests: Any, **more: Any) -> FakeRun:
        run, levels = super().start(requests, **more), self._levels

        def pictures() -> list[FakePicture]:
            return [
                replace(
                    p,
                    image=p.image.point(
                        lambda level: level + levels if level < 128 else level - levels
                    ),
                )
                for p in FakeRun.pictures(run)
            ]

        run.pictures = pictures  # type: ignore[method-assign]
        return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The devices and formats that were loaded; the second one is `Off` by the levels of `OFF`."""
    found: list[tuple[str, str]] = []

    def load(model: Any, settings: Any, say: Any) -> FakeEngine:
        found.append((settings.device, settings.dtype))
        return FakeEngine() if len(found) == 1 else Off(OFF[0])

    monkeypatch.setattr(engines, "load_engine", load)
    return found


OFF = [0]


@pytest.mark.parametrize(("levels", "code"), [(0, 0), (1, 0), (2, 0), (3, 1), (60, 1)])
def test_rounding_passes_and_more_does_not(
    sdcli: Any, asked: list[tuple[str, str]], levels: int, code: int
) -> None:
    OFF[0] = levels
    result = sdcli("doctor", "--self-test", "--json", "--device", "cuda:1", "--dtype", "fp16")
    facts = json.loads(result.out)
    assert asked == [("cpu", "fp32"), ("cuda:1", "fp16")]
    assert (result.code, facts["passed"]) == (code, not code)
    assert (facts["device"], facts["dtype"]) == ("a card", "fp16")
    assert [each["greatest"] for each in facts["pictures"]] == [levels] * 3
    assert [each["mean"] for each in facts["pictures"]] == [levels] * 3
    expected = None if not levels else pytest.approx(20 * math.log10(255 / levels))
    assert [each["psnr"] for each in facts["pictures"]] == [expected] * 3


def test_its_lines_can_be_quoted(sdcli: Any, asked: list[tuple[str, str]]) -> None:
    OFF[0] = 60
    result = sdcli("doctor", "--self-test")
    assert asked[1] == ("auto", "auto")
    first, *works, last = result.lines
    assert first.startswith("a card, fp16, compared with the CPU's pictures in fp32 (sdcli ")
    assert [line.partition(",")[0] for line in works] == ["DPM++ 2M", "DPM++ SDE", "img2img"]
    assert all("at most 60 of 255 levels apart, 60.00 on average" in line for line in works)
    assert last.startswith("failed: fp16 should have a PSNR of at least 40 dB")
    OFF[0] = 0
    asked.clear()
    assert sdcli("doctor", "--self-test").lines[-1].startswith("passed: ")


def test_the_config_says_where(sdcli: Any, asked: list[tuple[str, str]], monkeypatch: Any) -> None:
    monkeypatch.setenv("SDCLI_DTYPE", "bf16")
    sdcli("doctor", "--self-test")
    assert asked[1] == ("auto", "bf16")
    assert sdcli("doctor", "--self-test", "--device", "tpu").code == 2


def test_the_numbers() -> None:
    one, other = Image.new("RGB", (2, 1)), Image.new("RGB", (2, 1))
    other.putpixel((0, 0), (6, 0, 0))
    found = compared("x", one, other)
    assert (found.greatest, found.mean) == (6, 1.0)
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / 6))
    assert compared("x", one, one).psnr == math.inf
    assert set(LEAST_PSNR) == {"fp32", "fp16", "bf16"}
