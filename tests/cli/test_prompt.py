"""`sdcli prompt` tells what a prompt becomes, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file


def rows(sdcli: Any, *arguments: str) -> list[list[str]]:
    result = sdcli("prompt", *arguments)
    assert result.code == 0, result.err
    return [line.split("\t") for line in result.lines]


def test_parts_times_tokens_and_weights(sdcli: Any) -> None:
    found = rows(sdcli, "a (red:1.4) circle [by the sea:at night:3] AND snow :0.5", "--steps", "8")
    assert found == [
        ["PROMPT", "WEIGHT", "CALLS", "TOKENS", "READ AS"],
        ["1", "1", "0-3", "6", "a (red:1.4) circle by the sea"],
        ["1", "1", "4-7", "5", "a (red:1.4) circle at night"],
        ["2", "0.5", "0-7", "1", "snow"],
        ["negative", "1", "0-7", "0", ""],
    ]


def test_a_second_order_samplers_calls_are_twice_its_steps(sdcli: Any) -> None:
    found = rows(sdcli, "[sea:snow:0.5]", "--steps", "8", "-S", "Heun")
    assert [row[2] for row in found[1:3]] == ["0-8", "9-14"]


def test_what_comes_too_late_is_told(sdcli: Any) -> None:
    assert [row[2] for row in rows(sdcli, "[sea:snow:7]", "--steps", "8")[1:3]] == ["0-7", "never"]


def test_chunks_have_a_row_each(sdcli: Any) -> None:
    found = rows(sdcli, "sea BREAK snow, " + "red " * 80)
    assert [row[3] for row in found[1:]] == ["1", "75", "7", "0"]


def test_choices_are_made_and_networks_found(sdcli: Any, tmp_path: Path) -> None:
    (tmp_path / "Lora").mkdir()
    save_file({"x": np.zeros(1)}, tmp_path / "Lora/film.safetensors")
    arguments = ("{red|blue} sea <lora:film:0.5:1>", "--lora", "gone", "--seed", "1")
    result = sdcli("prompt", *arguments, "--models-dir", str(tmp_path))
    lines = [line.split("\t") for line in result.lines]
    assert lines[1][4] in ("red sea", "blue sea")
    assert lines[3] == ["lora", "0.5, 1", "all", "", str(tmp_path / "Lora/film.safetensors")]
    assert lines[4] == ["lora", "1", "all", "", "no gone"]
    assert "there is no LoRA gone" in result.err


def test_an_embedding_is_its_vectors(sdcli: Any, tmp_path: Path) -> None:
    (tmp_path / "embeddings").mkdir()
    save_file({"emb_params": np.zeros((7, 4))}, tmp_path / "embeddings/film-look.safetensors")
    arguments = ("a (Film-Look:1.2) sea, snow", "--models-dir", str(tmp_path))
    result = sdcli("prompt", *arguments)
    lines = [line.split("\t") for line in result.lines]
    assert lines[1][3:] == ["11", "a (film-look:1.2) sea , snow"]
    assert lines[3] == ["embedding", "", "", "", "film-look"]
    [reading, _] = json.loads(sdcli("prompt", *arguments, "--json").out)["readings"]
    assert [token["id"] for token in reading["chunks"][0]].count(None) == 7


def test_ignored_weights_are_not_shown(sdcli: Any) -> None:
    assert rows(sdcli, "a (red:1.5) sea", "--emphasis", "ignore")[1][4] == "a red sea"
    assert rows(sdcli, "a (red) sea", "--emphasis", "none")[1][4] == "a ( red ) sea"


def test_json_has_every_token(sdcli: Any) -> None:
    result = sdcli("prompt", "a (red:1.5) sea", "-n", "snow", "--json")
    told = json.loads(result.out)
    [positive, negative] = told["readings"]
    assert [(t["text"].strip(), t["weight"]) for t in positive["chunks"][0]] == [
        ("a", 1.0),
        ("red", 1.5),
        ("sea", 1.0),
    ]
    assert (positive["weight"], negative["text"]) == (1.0, "snow")
    assert told["loras"] == told["embeddings"] == []


def test_every_letter_is_shown_as_it_was_typed(sdcli: Any) -> None:
    assert rows(sdcli, "a 猫, été")[1][4] == "a 猫 , été"


def test_it_is_refused_as_gen_refuses_it(sdcli: Any) -> None:
    result = sdcli("prompt", "a fox", "--sampler", "DPM+ 2M", "--steps", "0")
    assert (result.code, result.lines) == (2, [])
    assert "--sampler" in result.err
    assert "--steps" in result.err
