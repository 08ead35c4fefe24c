"""Presets: those that ship are sound, the nearer folder wins, and mistakes are told by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_config_path

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.request.validate import validate
from sdcli.sources.layers import merge
from sdcli.sources.presets import PRESET_KEYS, Preset, find, presets, shipped_folder

SHIPPED = sorted(shipped_folder().glob("*.toml"))


def write(folder: Path, name: str, text: str) -> Path:
    """A preset file, its folder made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def user_folder() -> Path:
    """Where the user's presets are."""
    return user_config_path("sdcli", appauthor=False) / "presets"


def test_some_presets_ship() -> None:
    assert {"draft", "quality"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_preset_makes_a_request_and_says_what_it_is_for(path: Path) -> None:
    preset = find(path.stem)
    assert preset == Preset(path.stem, "shipped", path)
    assert len(preset.description) > 10
    layer = preset.layer()
    assert layer.values
    assert layer.values.keys() <= PRESET_KEYS
    merged = merge([layer])
    assert validate(GenerationRequest, {**merged.values, "seed": 1}, merged).seed == 1


def test_the_project_hides_the_user_who_hides_what_ships() -> None:
    write(user_folder(), "draft", 'description = "user"\nsteps = 2\n')
    assert (find("draft").origin, find("draft").description) == ("user", "user")
    write(Path("presets"), "draft", "steps = 3\n")
    assert (find("draft").origin, find("draft").description) == ("project", "")
    assert find("draft").layer().values == {"steps": 3}
    assert find("quality").origin == "shipped"


def test_every_preset_is_listed_once_by_name() -> None:
    write(user_folder(), "draft", "steps = 2\n")
    write(Path("presets"), "aaa", "steps = 3\n")
    names = [preset.name for preset in presets()]
    assert names == sorted({"aaa", *(path.stem for path in SHIPPED)})


@pytest.mark.parametrize(
    ("name", "hint"), [("drfat", "did you mean 'draft'"), ("zzzzzz", "known: a1111-api, ")]
)
def test_an_unknown_name_is_told_with_names_that_exist(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"--preset: unknown preset '{name}'") as error:
        find(name)
    assert hint in error.value.hint


@pytest.mark.parametrize("name", ["../draft", "", "draft.tom"])
def test_a_name_is_no_path(name: str) -> None:
    write(Path("presets"), "x", "steps = 3\n")
    with pytest.raises(UsageError, match="unknown preset"):
        find(name)


def test_a_toml_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "looks", "film", 'steps = 3\nsampler = "Euler"\n')
    preset = find(str(path))
    assert (preset.name, preset.origin) == ("film", "file")
    assert preset.layer().values == {"steps": 3, "sampler": "Euler"}


def test_a_toml_path_that_is_not_there_is_refused() -> None:
    Path("folder.toml").mkdir()
    for name in ("no.toml", "folder.toml"):
        with pytest.raises(UsageError, match=f"--preset: no file {name}"):
            find(name)


def test_an_unknown_key_is_told_with_file_line_and_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "film", "# film\nsteps = 3\nsampelr = 1\n")
    with pytest.raises(UsageError, match=r"preset film\.toml, line 3: sampelr: unknown") as error:
        find(str(path)).layer()
    assert error.value.hint.startswith("did you mean 'sampler'")


def test_a_preset_sets_no_seed(tmp_path: Path) -> None:
    """The same seed in every picture is more likely a mistake than a wish."""
    path = write(tmp_path, "film", "seed = 3\n")
    with pytest.raises(UsageError, match="seed: unknown key"):
        find(str(path)).layer()


def test_a_bad_value_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "film", "\nsteps = 0\n")
    merged = merge([find(str(path)).layer()])
    with pytest.raises(UsageError, match=r"preset film\.toml, line 2: steps: must be at least 1"):
        validate(GenerationRequest, {**merged.values, "seed": 1}, merged)


def test_a_broken_file_is_told_when_it_is_read_not_when_it_is_listed() -> None:
    write(Path("presets"), "bad", "steps = \n")
    assert "bad" in [preset.name for preset in presets()]
    with pytest.raises(UsageError, match="not valid TOML"):
        find("bad").layer()
