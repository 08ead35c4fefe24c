"""CLIP's tokenizer without transformers gives the ids that transformers' own gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_tokenizer
from transformers import CLIPTokenizerFast

import sdcli
from sdcli.errors import ModelError
from sdcli.models.tokenizers.clip import END, ClipTokenizer, parse_tokenizer, read_tokenizer

BUILTIN = Path(sdcli.__file__).parent / "builtin" / "tokenizer"
THEIRS = CLIPTokenizerFast.from_pretrained(BUILTIN)
OURS = read_tokenizer(BUILTIN)
PARTS = ("a red circle", "snow's", " it'll ", "3.5D", "é", "e\u0301", END, "猫", "\n")


def ids(tokenizer: CLIPTokenizerFast, text: str) -> list[int]:
    mended = ftfy.fix_text(text)
    found: list[int] = tokenizer(mended, add_special_tokens=False, verbose=False)["input_ids"]
    return found


@given(st.lists(st.sampled_from(PARTS)).map("".join) | st.text())
def test_every_text_has_the_same_ids(text: str) -> None:
    assert OURS.ids(text) == ids(THEIRS, text)


@given(st.text(min_size=1))
def test_either_form_of_the_files_gives_the_same_ids(text: str) -> None:
    assert WHOLE.ids(text) == OURS.ids(text)


WHOLE = parse_tokenizer((BUILTIN / "tokenizer.json").read_text(), BUILTIN)


def test_text_is_mended_as_for_clips_training() -> None:
    assert OURS.ids("a dog’s “bone”") == OURS.ids('a dog\'s "bone"')
    assert OURS.ids("red，blue") == OURS.ids("red,blue")
    assert OURS.ids("red &amp; blue") == OURS.ids("red & blue")


def test_special_words() -> None:
    assert (OURS.start, OURS.end, OURS.pad) == (
        THEIRS.bos_token_id,
        THEIRS.eos_token_id,
        THEIRS.pad_token_id,
    )
    assert OURS.text(OURS.ids("a red circle, blue")) == "a red circle , blue "


def test_what_fills_up_is_as_the_files_say_or_as_asked(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, pad="!")
    found = read_tokenizer(tmp_path)
    assert found.pad == found.id("!") == CLIPTokenizerFast.from_pretrained(tmp_path).pad_token_id
    assert read_tokenizer(tmp_path, pad=END).pad == found.end


def test_an_old_list_of_special_words_is_understood(tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(BUILTIN / name, tmp_path)
    told = {"pad_token": {"content": "a</w>", "single_word": False}}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(told))
    found = read_tokenizer(tmp_path)
    assert found.pad == found.id("a</w>") != found.end


@pytest.mark.parametrize("damage", ["none", "cut", "empty"])
def test_what_is_no_tokenizer_is_told(tmp_path: Path, damage: str) -> None:
    def broken() -> ClipTokenizer:
        return read_tokenizer(tmp_path)

    if damage != "none":
        shutil.copy(BUILTIN / "merges.txt", tmp_path)
        text = (BUILTIN / "vocab.json").read_text()
        (tmp_path / "vocab.json").write_text(text[:500] if damage == "cut" else "{}")
    with pytest.raises(ModelError, match="the tokenizer in"):
        broken()
