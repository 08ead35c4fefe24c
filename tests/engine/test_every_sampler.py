"""Every name that `sdcli samplers` lists makes a recognisable picture of the shipped model."""

from __future__ import annotations

from typing import Any

import pytest

from sdcli import Engine, GenerationRequest
from sdcli.sampling import SAMPLERS, SHELF, Sampler
from tools.builtin_model import reading

pytestmark = pytest.mark.slow

PROMPT = "a large yellow circle on a blue background"
# Of the fourth order by what was before (Adams and Bashforth): in few steps they overshoot where
# guidance is strong, diffusers' own as well.
ADAMS = ["LMS", "PLMS", "IPNDM", "IPNDM V"]
ADAMS += ["diffusers:lms_discrete", "diffusers:pndm", "diffusers:ipndm"]
# Guidance as each is meant to be used: CFG++ counts it otherwise, distilled models need little of
# it, and the plainest steps need many of them.
SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"steps": 40} for name in ADAMS},
    "Euler CFG++": {"cfg_scale": 1},
    "Euler a CFG++": {"cfg_scale": 1},
    "DPM++ 2M CFG++": {"cfg_scale": 1},
    "DPM fast": {"steps": 40},
    "LCM": {"steps": 8, "cfg_scale": 2},
    "TCD": {"steps": 8, "cfg_scale": 2},
    "diffusers:lcm": {"steps": 8, "cfg_scale": 2},
    "diffusers:tcd": {"steps": 8, "cfg_scale": 2},
    "Score SDE VE": {"steps": 150},
    "Score SDE VP": {"steps": 150},
}


@pytest.mark.parametrize("row", [*SAMPLERS, *SHELF], ids=lambda row: row.name)
def test_a_yellow_figure_on_blue_is_seen(builtin: Engine, row: Sampler) -> None:
    settings = {"steps": 20, "cfg_scale": 5} | SETTINGS.get(row.name, {})
    picture = builtin.generate(
        GenerationRequest(prompt=PROMPT, sampler=row.name, seed=11, **settings)
    )
    seen = reading.read(picture.image)
    assert (seen.background, seen.colour) == ("blue", "yellow")
