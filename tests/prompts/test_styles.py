"""Styles and comments: what A1111's table of words adds, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcli.errors import UsageError
from sdcli.prompts.styles import Style, named, read_styles, styled, without_comments

TABLE = """\ufeffname,prompt,negative_prompt
film,"{prompt}, grainy",blurry
"# old ones",,
Plain,"photo, sharp",
film,second,
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "styles.csv").write_text(TABLE, "utf-8")
    return tmp_path / "styles.csv"


def test_a_table_is_read_as_a1111_reads_it(file: Path) -> None:
    assert read_styles(file) == {
        "film": Style("film", "second", ""),
        "Plain": Style("Plain", "photo, sharp", ""),
    }
    file.write_text("name, text\nold, faded\n")
    assert read_styles(file) == {"old": Style("old", "faded", "")}


@pytest.mark.parametrize(
    ("prompt", "added", "wanted"),
    [
        ("a fox", ["{prompt}, grainy"], "a fox, grainy"),
        ("a fox", [" sharp "], "a fox, sharp"),
        ("", ["sharp"], "sharp"),
        ("a fox", [""], "a fox"),
        ("a fox", ["photo", "{prompt} and {prompt}"], "a fox, photo and a fox, photo"),
    ],
)
def test_words_go_to_their_place_or_to_the_end(prompt: str, added: list[str], wanted: str) -> None:
    assert styled(prompt, added) == wanted


def test_a_name_is_found_in_any_case_and_an_unknown_one_told(file: Path) -> None:
    known = read_styles(file)
    assert named("FILM", known).name == "film"
    with pytest.raises(UsageError, match="there is no style 'flim'") as error:
        named("flim", known)
    assert "film" in str(error.value.hint)


def test_comments_end_with_their_line() -> None:
    assert without_comments("a # red\nfox#") == "a \nfox"
    assert without_comments("a\n # red\nfox") == "a\nfox"


def test_a_file_that_is_no_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_styles(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a table of styles"):
        read_styles(tmp_path / "x.csv")
