"""The config file: set, read back and taken out a line at a time, whatever stands beside it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdcli.errors import UsageError
from sdcli.files.toml import to_toml
from sdcli.sources import config

WRITTEN = '# my defaults\nmodel = "a/b"  # the good one\n\nsteps = 30\nnegative_prompt = "x = 1"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file with WRITTEN in it."""
    path = tmp_path / "config.toml"
    path.write_text(WRITTEN)
    monkeypatch.setenv("SDCLI_CONFIG", str(path))
    return path


def test_without_a_file_nothing_is_set() -> None:
    assert config.read().values == {}


def test_the_file_is_in_the_platforms_folder_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.config_path().parts[-2:] == ("sdcli", "config.toml")
    monkeypatch.setenv("SDCLI_CONFIG", "elsewhere.toml")
    assert config.config_path() == Path("elsewhere.toml")


def test_the_first_value_makes_the_file_and_its_folder() -> None:
    path = config.set_value("steps", 12)
    assert path == config.config_path()
    assert path.read_text() == "steps = 12\n"
    assert config.read().values == {"steps": 12}
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_set_and_unset_leave_every_other_line_alone(file: Path) -> None:
    config.set_value("steps", 5)
    assert file.read_text() == WRITTEN.replace("steps = 30\n", "") + "steps = 5\n"
    config.unset_value("steps")
    assert file.read_text() == WRITTEN.replace("steps = 30\n", "")
    assert config.read().values == {"model": "a/b", "negative_prompt": "x = 1"}


@pytest.mark.parametrize("line", ['"steps" = 30', "'steps'=30", "  steps   =   30  # thirty"])
def test_a_key_is_found_however_it_is_written(file: Path, line: str) -> None:
    file.write_text(f"{line}\nwidth = 64\n")
    config.set_value("steps", 5)
    assert file.read_text() == "width = 64\nsteps = 5\n"


def test_line_ends_inside_a_string_survive_an_edit(file: Path) -> None:
    """TOML's lines end in a line feed; Python's str.splitlines knows more line ends."""
    text = "a\u2028b\x85c\u2029d"
    config.set_value("negative_prompt", text)
    config.set_value("steps", 5)
    assert config.read().values["negative_prompt"] == text


def test_a_file_without_a_last_line_feed_gets_one(file: Path) -> None:
    file.write_text("width = 64")
    config.set_value("steps", 5)
    assert file.read_text() == "width = 64\nsteps = 5\n"


def test_the_folder_holds_no_leftovers_and_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    """Whoever keeps the file in a folder of dotfiles, linked from here, finds it changed there."""
    kept = tmp_path / "dotfiles"
    kept.mkdir()
    file.rename(kept / "sd.toml")
    file.symlink_to(kept / "sd.toml")
    config.set_value("steps", 5)
    assert file.is_symlink()
    assert (kept / "sd.toml").read_text().endswith("steps = 5\n")
    assert [entry.name for entry in kept.iterdir()] == ["sd.toml"]


STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(STRINGS)
@example('a "quoted" \\ back\\\\slash \'single\' """three"""')
@example("line\nfeed\r\ntab\t\x7f\x85\u2028\x1b\b\f")
@example("\U0001f98a é 一 \ufeff # no comment = 1")
@settings(max_examples=150)
def test_a_string_comes_back_from_toml_to_the_letter(text: str) -> None:
    line = to_toml("negative_prompt", text)
    assert "\n" not in line
    assert tomllib.loads(line) == {"negative_prompt": text}


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False)))
@settings(max_examples=50)
def test_a_number_comes_back_from_toml(value: float) -> None:
    back = tomllib.loads(to_toml("x", value))["x"]
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("7", 7),
        ("7.5", 7.5),
        ("true", True),
        ("Karras", "Karras"),
        ("'7'", "'7'"),
        ("[1]", "[1]"),
        ("", ""),
        ("owner/name", "owner/name"),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_a_typed_value_is_a_number_where_it_is_one(typed: str, value: object) -> None:
    assert config.parse_value("steps", typed) == value
    assert type(config.parse_value("steps", typed)) is type(value)
    assert config.parse_value("model", typed) == typed


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("steps", 0, "config: steps: must be at least 1, got 0"),
        ("steps", "many", "config: steps: must be a whole number"),
        ("sampler", "Eular", "unknown sampler 'Eular'"),
        ("cfg_scale", float("nan"), "must be a finite number"),
        ("batch_size", 0, "must be at least 1"),
        ("negative_prompt", "a\0b", "NUL"),
        ("output", "", "config: output"),
        ("rho", 3, "schedule Uniform has no rho"),
    ],
)
def test_a_bad_value_is_refused_and_the_file_untouched(
    file: Path, key: str, value: Any, says: str
) -> None:
    text = WRITTEN + 'sampler = "Euler"\n'
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        config.set_value(key, value)
    assert file.read_text() == text


@pytest.mark.parametrize("key", ["prompt", "seed", "stpes"])
def test_a_key_that_the_config_does_not_take_is_told_with_its_line(file: Path, key: str) -> None:
    file.write_text(f"steps = 3\n{key} = 1\n")
    with pytest.raises(UsageError, match=rf"line 2: {key}: unknown key"):
        config.read()


def test_an_option_is_judged_by_the_sampler_in_the_file(file: Path) -> None:
    """eta is Euler a's, not the default sampler's."""
    with pytest.raises(UsageError, match="DPM\\+\\+ 2M has no eta"):
        config.set_value("eta", 0.5)
    config.set_value("sampler", "Euler a")
    config.set_value("eta", 0.5)
    assert config.read().values["eta"] == 0.5


def test_taking_out_what_is_not_set_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match=f"width is not set in {file}"):
        config.unset_value("width")
    assert file.read_text() == WRITTEN


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ('negative_prompt = """\nsteps = 7\n"""\nsteps = 3\n', "steps", 5),
        ('steps = 3\nnegative_prompt = """a\nb"""\n', "negative_prompt", "x"),
    ],
    ids=["another value's line looks like it", "the value itself"],
)
def test_a_value_of_several_lines_is_not_edited_by_line(
    file: Path, text: str, key: str, value: Any
) -> None:
    file.write_text(text)
    for edit in (lambda: config.set_value(key, value), lambda: config.unset_value(key)):
        with pytest.raises(UsageError, match="several lines") as error:
            edit()
        assert error.value.hint == "edit the file by hand"
        assert file.read_text() == text


def test_broken_toml_is_told_and_never_written_over(file: Path) -> None:
    file.write_text("steps = \n")
    for act in (
        config.read,
        lambda: config.set_value("width", 64),
        lambda: config.unset_value("x"),
    ):
        with pytest.raises(UsageError, match="not valid TOML"):
            act()
    assert file.read_text() == "steps = \n"


def test_a_folder_that_cannot_be_made_is_a_usage_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCLI_CONFIG", str(file / "below" / "config.toml"))
    with pytest.raises(UsageError, match="cannot"):
        config.set_value("steps", 5)


def test_a_failed_write_leaves_the_file_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"cannot write .*No space left"):
        config.set_value("steps", 5)
    assert file.read_text() == WRITTEN
    assert sorted(p.name for p in file.parent.iterdir()) == ["config.toml", "home", "work"]


def test_the_environment_is_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.environment().values == {}
    for name, value in {"MODEL": "a/b", "DEVICE": "cpu", "DTYPE": "fp32", "OUTPUT": ""}.items():
        monkeypatch.setenv(f"SDCLI_{name}", value)
    layer = config.environment()
    assert layer.values == {"model": "a/b", "device": "cpu", "dtype": "fp32"}
    assert layer.where("model") == "environment: model"


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False)])
def test_the_hubs_own_variable_means_offline(
    monkeypatch: pytest.MonkeyPatch, value: str, offline: bool
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert ("offline" in config.environment().values) is offline
    config.check(config.environment())
