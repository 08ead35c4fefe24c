"""The self-test on the built-in model: the CPU is as the CPU, and another picture is told apart."""

from __future__ import annotations

import math

import pytest

from sdcli.engine import Engine
from sdcli.request import GenerationRequest
from sdcli.runs.self_test import LEAST_PSNR, compared, self_test


@pytest.mark.slow
def test_the_cpu_is_as_the_cpu() -> None:
    result = self_test("cpu", "fp32", print)
    assert result.passed
    assert [each.psnr for each in result.comparisons] == [math.inf] * 3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_rounding_passes(dtype: str) -> None:
    result = self_test("cpu", dtype, print)
    assert result.passed, result
    assert all(each.greatest for each in result.comparisons)


@pytest.mark.slow
def test_another_seeds_picture_is_no_rounding(builtin: Engine) -> None:
    wanted = {"prompt": "a red circle on a blue background", "steps": 6}
    one, other = (builtin.generate(GenerationRequest(**wanted, seed=s)).image for s in (1, 2))
    assert compared("x", one, other).psnr < min(LEAST_PSNR.values()) - 5
