"""Typed prompts on their way to a model: styles, comments and choices, and what the text tells."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words").mkdir()
    (tmp_path / "words/birds.txt").write_text("wren\nowl\nheron\n")
    return tmp_path / "words"


def prompts(engine: FakeEngine) -> list[str]:
    return [request.prompt for request in engine.made]


def test_each_seed_makes_its_own_choices_and_the_text_tells_both(
    sdcli: Any, engine: FakeEngine, words: Path
) -> None:
    options = ("--wildcards-dir", str(words), "-s", "1-6", "-o", "out/")
    result = sdcli("gen", "a {red|blue} __birds__ # why", "-n", "{x|y}", *options)
    assert result.code == 0, result.err
    made = prompts(engine)
    assert len(set(made)) > 1
    for prompt in made:
        colour, bird = prompt.split()[1:]
        assert (colour in ("red", "blue"), bird in ("wren", "owl", "heron")) == (True, True)
    text = sdcli("info", result.lines[2]).out
    assert made[2].strip() in text
    assert "a {red|blue} __birds__" in text
    assert "Negative template: {x|y}" in text


def test_a_picture_is_made_again_as_it_was(sdcli: Any, engine: FakeEngine, words: Path) -> None:
    """Its text says what was chosen; nothing is chosen anew, also where it looks like a choice."""
    first = sdcli("gen", "a {red|blue} fox", "-s", "3", "-o", "one.png")
    assert first.code == 0, first.err
    assert sdcli("gen", "--from", "one.png", "-s", "4-9", "-o", "again/").code == 0
    assert len({*prompts(engine)}) == 1
    engine.made.clear()
    assert sdcli("gen", "a __birds__", "-s", "1", "-o", "x.png").code == 2
    assert sdcli("gen", r"a \{red|blue} _\_birds__ fox", "-s", "1", "-o", "lit.png").code == 0
    assert sdcli("gen", "--from", "lit.png", "--style", "film", "-s", "1-9", "-o", "lit/").code == 2
    Path("styles.csv").write_text("name,prompt\nfilm,{grainy|soft} # look\n")
    style = ("--style", "film", "--styles-file", "styles.csv")
    engine.made.clear()
    assert sdcli("gen", "--from", "lit.png", *style, "-s", "1-9", "-o", "lit/").code == 0
    start = r"a \{red|blue} _\_birds__ fox, "
    assert {*prompts(engine)} == {f"{start}grainy", f"{start}soft"}
    told = sdcli("info", "lit.png", "--as-command")
    assert sdcli(*shlex.split(told.out)[1:], "-o", "same.png").code == 0
    assert prompts(engine)[-1].replace("\\", "") == "a {red|blue} __birds__ fox"


def test_styles_are_put_in_before_choices_are_made(
    sdcli: Any, engine: FakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nfilm,{prompt} {a|a},bad\n")
    options = ("--style", "film", "--models-dir", str(tmp_path))
    assert sdcli("gen", "a fox", *options, "-o", "x.png").code == 0
    assert prompts(engine) == ["a fox a"]
    assert engine.made[0].negative_prompt == "bad"
    wrong = sdcli("gen", "a fox", "--style", "flim", "--models-dir", str(tmp_path))
    assert (wrong.code, wrong.lines) == (2, [])
    assert "there is no style 'flim'" in wrong.err
    assert sdcli("gen", "a fox", "--style", "film").code == 2


def test_pictures_with_other_loras_are_made_apart(
    sdcli: Any, engine: FakeEngine, tmp_path: Path
) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    for name in "ab":
        save_file({"lora_unet_x.lora_down.weight": np.zeros((1, 1))}, f"{name}.safetensors")
    prompt = "a fox <lora:{a|b}.safetensors:{0.5|1}>"
    assert sdcli("gen", prompt, "-s", "1-8", "-o", "out/").code == 0
    by_seed = {request.seed: request.prompt for request in engine.made}
    assert sorted(by_seed) == list(range(1, 9))
    assert len(engine.batches) > 1
    assert all(len({by_seed[seed] for seed in seeds}) == 1 for seeds in engine.batches)


def test_one_prompt_that_fails_does_not_take_the_others_along(
    sdcli: Any, engine: FakeEngine
) -> None:
    """Other prompts may be right where one is wrong, or fit where one does not."""
    engine.refuses = "red"
    result = sdcli("gen", "a {red|blue} fox", "-s", "1-8", "-b", "1", "-o", "out/")
    wrong = sum("red" in prompt for prompt in prompts(engine))
    assert (result.code, len(result.lines)) == (1, 8 - wrong)
    assert 0 < wrong < 8
    assert sdcli("gen", "a red fox", "-s", "1-8", "-o", "out/").code == 2
