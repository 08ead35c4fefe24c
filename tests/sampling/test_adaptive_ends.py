"""DPM adaptive comes to an end on models with which no step would ever do."""

from __future__ import annotations

import math
from itertools import count

import pytest

from sdcli.errors import SdcliError
from sdcli.sampling.solvers.adaptive import dpm_adaptive

SIGMAS = (14.6, 1.0, 0.03)


def test_a_model_that_gives_nan_ends_the_run_with_it() -> None:
    states = list(dpm_adaptive(lambda x, sigma: math.nan, 1.0, SIGMAS, lambda a, b: 0.0))
    assert len(states) == 1
    assert math.isnan(states[-1])


def test_a_model_that_jumps_about_is_told() -> None:
    jumps = count()
    with pytest.raises(SdcliError, match="no step short enough"):
        list(
            dpm_adaptive(lambda x, sigma: (-1) ** next(jumps) * 1e30, 1.0, SIGMAS, lambda a, b: 0.0)
        )
