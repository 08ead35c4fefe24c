"""`sdcli explain` and the traces that it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdcli.sampling import SAMPLERS, Sampler

CALM = [row for row in SAMPLERS if "s_churn" not in row.fixed]  # churn starts above the greatest σ


@pytest.mark.parametrize("row", CALM, ids=lambda row: row.name)
def test_a_trace_asks_only_where_there_is_noise(row: Sampler) -> None:
    sigmas = row.sigmas(20)
    run = row.trace(sigmas)
    asked = [sigma for step in run for sigma in step.calls]
    assert all(sigma > 0 for sigma in asked)
    assert max(asked) == sigmas[0]
    assert run[0].sigma == pytest.approx(sigmas[0])


def test_steps_are_told_with_their_timesteps(sdcli: Any) -> None:
    title, header, *rows = sdcli("explain", "DPM++ 2M Karras", "--steps", "8").lines
    assert title == "DPM++ 2M, Karras: 8 steps, 8 model calls"
    assert header.split("\t")[:3] == ["STEP", "σ", "t"]
    assert len(rows) == 8
    assert rows[0].split("\t")[1:3] == ["14.6146", "999.0"]
    assert rows[-1].split("\t")[1:5] == ["0.0292", "0.0", "3.535", "∞"]


def test_restart_is_seen_to_go_back(sdcli: Any) -> None:
    assert "↑ 2.2322" in sdcli("explain", "restart").out


def test_several_as_json(sdcli: Any) -> None:
    lines = sdcli("explain", "euler", "DPM++ SDE", "--steps", "5", "--json").lines
    first, second = map(json.loads, lines)
    assert (first["schedule"], first["evaluations"]) == ("Uniform", 5)
    assert (second["schedule"], second["evaluations"]) == ("Karras", 9)
    assert second["steps"][0]["asked"][1] < second["steps"][0]["sigma"]


def test_the_plot_is_a_picture_with_a_line_for_each(sdcli: Any) -> None:
    assert sdcli("explain", "euler", "heun karras", "--plot", "plot.png").code == 0
    with Image.open("plot.png") as image:
        colours = {colour for _, colour in image.getcolors(100_000) or []}
    assert {(0, 114, 178), (213, 94, 0)} <= colours


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eular"], "'Euler'"),
        (["euler", "--steps", "0"], "from 1 to 1000"),
        (["euler", "--steps", "many"], "from 1 to 1000"),
        (["ddim", "--steps", "1"], "at least 2 steps"),
        (["euler", "--plot", "plot.jpg"], "must end in .png"),
        (["euler", "--on", "picture.png"], "add --plot"),
        (["euler", "--model", "builtin"], "--model works only with --on"),
        (["euler", "--plot", "no/such/folder/plot.png"], "no/such/folder"),
    ],
    ids=str,
)
def test_what_cannot_be_explained_exits_2(sdcli: Any, arguments: list[str], says: str) -> None:
    result = sdcli("explain", *arguments)
    assert (result.code, result.out) == (2, "")
    assert says in result.err
    assert not list(Path().iterdir())
