"""Names that can be no file's: a long prompt in a wrong column, a home that nobody has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sdcli import models
from sdcli.errors import SdcliError
from sdcli.files import is_file, is_folder, path_of
from sdcli.images.formats import open_picture
from sdcli.images.upscalers import check_upscaler
from sdcli.models.library import find_lora
from sdcli.models.vae import with_vae
from sdcli.request.pictures import files_of
from sdcli.sources import presets

LONG = "a" * 300
NAMES = [LONG, f"{LONG}/b", f"a/{LONG}", f"~{LONG}/b", "~nobody-of-that-name/b", "a\0b", f"[{LONG}"]


@pytest.mark.parametrize(
    "look_up",
    [
        pytest.param(models.find, id="model"),
        pytest.param(lambda name: with_vae(models.find("builtin"), name), id="VAE"),
        pytest.param(lambda name: find_lora(name, ()), id="LoRA"),
        pytest.param(lambda name: presets.find(f"{name}.toml"), id="preset"),
        pytest.param(lambda name: check_upscaler(f"{name}.pth"), id="upscaler"),
        pytest.param(lambda name: open_picture(Path(files_of(name)[0])), id="picture"),
        pytest.param(lambda name: files_of(f"{name}/*.png"), id="pattern"),
    ],
)
def test_no_such_file_is_there(look_up: Callable[[str], object], subtests: pytest.Subtests) -> None:
    for name in NAMES:
        with subtests.test(ascii(name)[:12]), pytest.raises(SdcliError):
            look_up(name)


def test_home_is_where_it_is() -> None:
    assert path_of("~/a") == Path.home() / "a"
    assert path_of("~nobody-of-that-name/a") == Path("~nobody-of-that-name/a")
    Path("file").touch()
    assert [is_file(Path("file")), is_folder(Path("file"))] == [True, False]
    assert [is_file(Path()), is_folder(Path())] == [False, True]


NO_HUB_IDS = ["a--b/c", "a/b..c", "-a/b", "a/b.", "a/b.git", "é/a", f"a/{LONG}"]


@pytest.mark.parametrize("model", NO_HUB_IDS)
def test_what_the_hub_takes_for_no_name_is_none(model: str) -> None:
    assert not models.is_hub_id(model)


def test_the_hubs_names() -> None:
    names = ["runwayml/stable-diffusion-v1-5", "a/b", f"{'a' * 96}/{'b' * 96}", "a_b/c.d"]
    assert all(map(models.is_hub_id, names))
