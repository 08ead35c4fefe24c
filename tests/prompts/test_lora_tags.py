"""Tags of a prompt that name networks, and the flag that is short for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from pydantic import ValidationError
from safetensors.numpy import save_file

from sdcli.errors import UsageError
from sdcli.prompts.lora_tags import Tag, split
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text


@pytest.mark.parametrize(
    ("prompt", "text", "tags"),
    [
        ("a fox", "a fox", []),
        ("a <lora:film:0.8> fox", "a  fox", [Tag("film", 0.8, 0.8)]),
        ("<lora:film>a fox", "a fox", [Tag("film", 1, 1)]),
        ("a<lyco:film:0.5:0.25>", "a", [Tag("film", 0.5, 0.25)]),
        ("a<lora:my film:unet=0.3:te=2>", "a", [Tag("my film", 2, 0.3)]),
        ("<lora:a:1><lora:b:-1>x", "x", [Tag("a", 1, 1), Tag("b", -1, -1)]),
        ("a <b> c <d:e> f", "a <b> c  f", []),
    ],
)
def test_tags_are_read_as_a1111_reads_them(prompt: str, text: str, tags: list[Tag]) -> None:
    assert split(prompt) == (text, tags)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("<hypernet:x:1>", "does not support hypernetworks"),
        ("<lora:x:strong>", "'strong' is not a number"),
        ("<lora::1>", "has no name"),
        ("<lora:x:1:2:3>", "cannot read '3'"),
        ("<lora:x:dyn=3>", "cannot read 'dyn=3'"),
    ],
)
def test_what_cannot_be_honoured_is_refused(prompt: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split(prompt)
    with pytest.raises(ValidationError, match=message):
        GenerationRequest(prompt=prompt, seed=1)


def test_the_flag_is_a_tag() -> None:
    """So that the picture's text has it where A1111 has it."""
    request = GenerationRequest(prompt="a fox", seed=1, lora=("film:0.8", "ink"))
    assert request.prompt == "a fox <lora:film:0.8> <lora:ink>"
    assert GenerationRequest(**to_values(read_text(write_text(request)))[0]) == request


def test_a_lora_that_is_not_there_is_told_before_anything_is_made(
    sdcli: Any, engine: FakeEngine
) -> None:
    folder = Path("models/Lora")
    folder.mkdir(parents=True)
    save_file({"x": np.zeros(1)}, folder / "film.safetensors")
    (folder / "cut.safetensors").write_bytes(b"half of it")
    result = sdcli("gen", "a fox", "--lora", "filn:0.5", "--models-dir", ".")
    assert result.code == 2
    assert "there is no LoRA filn" in result.err
    assert "'film'" in result.err
    result = sdcli("gen", "a fox", "--lora", "cut", "--models-dir", ".")
    assert result.code == 2
    assert "cut.safetensors is damaged" in result.err
    assert engine.batches == []
    assert sdcli("gen", "a fox", "--lora", "film:0.5", "--models-dir", ".").code == 0
