"""The Python API: what notebooks and scripts find in `sdcli`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from repository import SEPIA

import sdcli
from sdcli.engine import Engine
from sdcli.images.formats import read_file
from sdcli.request.build import IN_MEMORY


def test_it_is_light_until_it_is_used() -> None:
    script = "import sys, sdcli; print(sdcli.__version__, *sys.modules)"
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert not {"torch", "pydantic", "typer", "PIL", "numpy"} & {*out.split()}
    for name in sdcli.__all__:
        assert getattr(sdcli, name) is not None


def test_a_prompt_is_enough(builtin: Engine) -> None:
    picture = builtin.generate("a red circle", steps=2)
    again = builtin.generate(picture.request)
    assert picture.image == again.image
    assert picture.request.model == "builtin"
    other = builtin.generate("a red circle", steps=2, seed=-1)
    assert other.request.seed != picture.request.seed


def test_what_is_wrong_is_told_in_the_commands_words(builtin: Engine) -> None:
    with pytest.raises(sdcli.errors.UsageError, match=r"no setting 'stepz'.*did you mean 'steps'"):
        builtin.generate("a", stepz=3)
    with pytest.raises(sdcli.errors.UsageError, match=r"unknown sampler 'Eular'.*'Euler'"):
        builtin.generate("a", sampler="Eular")
    with pytest.raises(sdcli.errors.UsageError, match="steps: must be at least 1, got 0"):
        builtin.generate("a", steps=0)
    request = sdcli.GenerationRequest(prompt="a", seed=1)
    with pytest.raises(sdcli.errors.UsageError, match="a request has its own"):
        builtin.generate(request, steps=3)


def test_a_picture_names_the_model_that_made_it(builtin: Engine) -> None:
    with pytest.raises(sdcli.errors.UsageError, match="this engine has builtin loaded"):
        builtin.generate("a", seed=1, steps=1, model="other")
    request = sdcli.GenerationRequest(prompt="a", seed=1, steps=1, model="other")
    [*_, streamed] = builtin.stream([request])
    assert isinstance(streamed, sdcli.Picture)
    for picture in (streamed, builtin.generate(request)):
        assert picture.request == request.model_copy(
            update={"model": "builtin", "width": 128, "height": 128}
        )
        assert "Model: builtin" in picture.infotext


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_saved_picture_holds_its_settings(builtin: Engine, tmp_path: Path, ending: str) -> None:
    tag = f"<lora:{SEPIA}:0.5>"
    made = builtin.generate("a red circle", seed=1, steps=2, loras={str(SEPIA): 0.5})
    saved = made.save(tmp_path / "new" / f"a.{ending}")
    assert saved.path == tmp_path / "new" / f"a.{ending}"
    text = read_file(saved.path)
    assert text is not None
    assert text == made.infotext
    assert text.startswith(f"a red circle {tag}\nSteps: 2, ")
    assert "Lora hashes: " in text
    recipe = sdcli.read_recipe(saved.path)
    assert recipe is not None
    assert recipe.values["seed"] == 1


def test_saving_replaces_only_what_it_may(builtin: Engine, tmp_path: Path) -> None:
    picture = builtin.generate("a", seed=1, steps=1)
    picture.save(tmp_path / "a.png").save(tmp_path / "a.png")
    with pytest.raises(sdcli.errors.UsageError, match=r"a\.png exists"):
        picture.save(tmp_path / "a.png", overwrite=False)
    with pytest.raises(sdcli.errors.UsageError, match="has no picture's extension"):
        picture.save(tmp_path / "a.tiff")
    (tmp_path / "file").touch()
    with pytest.raises(sdcli.errors.OutputError, match="cannot write"):
        picture.save(tmp_path / "file" / "a.png")


def test_a_notebook_shows_it(builtin: Engine) -> None:
    picture = builtin.generate("a", seed=1, steps=1)
    assert Image.open(io.BytesIO(picture._repr_png_())).info["parameters"] == picture.infotext


def test_pictures_in_memory_are_as_good_as_files(builtin: Engine, tmp_path: Path) -> None:
    image = builtin.generate("a red circle", seed=1, steps=4).image
    mask = Image.new("L", image.size)
    mask.paste(255, (16, 16, 80, 80))
    image.save(tmp_path / "a.png")
    mask.save(tmp_path / "m.png")
    asked: dict[str, Any] = {"seed": 2, "steps": 4, "strength": 0.6}
    held = builtin.generate("a blue star", init_image=image, mask=mask, **asked)
    files = builtin.generate(
        "a blue star", init_image=tmp_path / "a.png", mask=str(tmp_path / "m.png"), **asked
    )
    assert held.image == files.image
    assert held.request.init_img is not None
    assert held.request.init_img.startswith(IN_MEMORY)
    outside = np.asarray(held.image)[100:] == np.asarray(image)[100:]
    assert outside.all()


def test_a_stream_tells_what_happens(builtin: Engine) -> None:
    requests = [
        sdcli.GenerationRequest(prompt="a red circle", seed=seed, steps=steps)
        for seed, steps in ((1, 4), (2, 4), (3, 2))
    ]
    events = list(builtin.stream(requests, preview_every=2))
    pictures = [event for event in events if isinstance(event, sdcli.Picture)]
    assert [picture.request.seed for picture in pictures] == [1, 2, 3]
    assert sum(isinstance(event, sdcli.Preview) for event in events) == 2 + 1
    assert sum(isinstance(event, sdcli.Step) for event in events) == 4 + 2  # two are made at once
    assert isinstance(events[-1], sdcli.Picture)
    apart = np.asarray(pictures[1].image, int) - np.asarray(builtin.generate(requests[1]).image)
    assert np.abs(apart).max() <= 1


def test_an_engine_ends_with_its_block(tiny_folder: Path) -> None:
    with sdcli.load(tiny_folder, device="cpu", dtype="fp32") as engine:
        picture = engine.generate("a", seed=1, steps=1)
    assert picture.request.model == str(tiny_folder)
    with pytest.raises(sdcli.errors.UsageError, match="the engine is closed"):
        engine.generate("a", seed=1, steps=1)


@pytest.mark.slow
def test_it_starts_as_the_command_does() -> None:
    """Packages that no picture uses stay unimported; garbage is collected as before."""
    script = (
        "import gc, sys, sdcli; engine = sdcli.load(device='cpu');"
        "from sdcli.startup.lazy_packages import waiting;"
        "print(*waiting(), gc.isenabled(), gc.get_freeze_count())"
    )
    out = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert {"transformers.models", "torch._dynamo"} <= set(out)
    assert out[-2:] == ["True", "0"]


def test_a_plan_finds_all_that_is_wrong(tmp_path: Path) -> None:
    plan = sdcli.plan([{"prompt": "a", "seed": 5}, {"prompt": "b", "size": "64x128"}], steps=3)
    assert [job.request.steps for job in plan.jobs] == [3, 3]
    assert plan.jobs[0].request.seed == 5
    assert plan.jobs[1].request.height == 128
    (tmp_path / "rows.txt").write_text("a fox --steps 2\na hen --seed 7\n")
    assert [job.row for job in sdcli.plan(tmp_path / "rows.txt").jobs] == [1, 2]
    with pytest.raises(sdcli.errors.UsageError) as wrong:
        sdcli.plan([{"prompt": "a", "steps": 0}, {"prompt": "b", "samplr": "Euler"}])
    assert "rows, line 1: steps: must be at least 1, got 0" in str(wrong.value)
    assert "unknown key 'samplr'" in str(wrong.value)
