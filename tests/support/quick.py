"""What the quick suite leaves out: cases that are like others, at a greater cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from sdcli.sampling import SAMPLERS, Sampler

KINDS = frozenset(
    {  # one of each kind of sampler
        "DDIM",  # starts with noise of unit variance
        "DPM adaptive",
        "DPM++ 2M",  # remembers a step
        "DPM++ SDE",  # Brownian noise, and two calls a step
        "Euler CFG++",
        "Euler a",  # fresh noise at each step
        "LCM",  # a consistency model's
        "diffusers:ddim",
        "diffusers:heun",
    }
)


def slow(*values: Any, id: str | None = None) -> Any:
    """Return these values as a case for `pytest.mark.parametrize` that is slow."""
    return pytest.param(*values, id=id, marks=pytest.mark.slow)


def each_sampler(rows: Iterable[Sampler] = SAMPLERS) -> Any:
    """Return the decorator that gives a test each of these `row`s, the quick suite one a kind."""
    return pytest.mark.parametrize(
        "row",
        [(pytest.param if row.name in KINDS else slow)(row, id=row.name) for row in rows],
    )
