"""Many pictures of one command: from a folder of others, and on a walk between seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from PIL import Image

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.sources.seeds import walk

BASE = GenerationRequest(prompt="a fox", seed=0, sampler="Euler")


@pytest.fixture
def folder() -> Path:
    """photos/ with pictures of two sizes, and what is none."""
    place = Path("photos")
    (place / "more").mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(place / "b.png")
    Image.new("RGB", (128, 64), "blue").save(place / "a.jpg")
    Image.new("RGB", (64, 64), "green").save(place / "c.webp")
    Image.new("RGB", (64, 64)).save(place / "more" / "d.png")
    (place / "notes.txt").write_text("hello")
    return place


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("photos", ["a", "b", "c"]),
        ("photos/", ["a", "b", "c"]),
        ("photos/*.png", ["b"]),
        ("photos/**/*.png", ["b", "d"]),
        ("photos/[ab].*", ["a", "b"]),
        ("photos/*", ["a", "b", "c"]),
    ],
)
def test_every_picture_of_a_folder_or_a_pattern_is_a_job(
    sdcli: Any, engine: FakeEngine, folder: Path, text: str, stems: list[str]
) -> None:
    result = sdcli("gen", "a fox", "-i", text, "-s", "5", "-o", "out/")
    assert result.code == 0
    assert [Path(str(each.init_img)).stem for each in engine.made] == stems
    names = [Path(line).stem for line in result.lines]
    if len(stems) > 1:
        assert names == [f"{place:05}-5-{stem}" for place, stem in enumerate(stems, start=1)]
    else:
        assert names == ["00001-5"]


def test_pictures_of_one_size_are_made_at_once_and_others_apart(
    sdcli: Any, engine: FakeEngine, folder: Path
) -> None:
    assert sdcli("gen", "a fox", "-i", "photos", "-s", "5,6", "-o", "out/").code == 0
    assert engine.batches == [[5, 6], [5, 6], [5, 6]]
    assert [(each.width, each.height) for each in engine.made[::2]] == [
        *((128, 64), (64, 64), (64, 64))
    ]


def test_names_may_hold_that_of_the_picture(sdcli: Any, engine: FakeEngine, folder: Path) -> None:
    result = sdcli("gen", "a fox", "-i", "photos", "-o", "out/{init}-new.png")
    assert result.lines == ["out/a-new.png", "out/b-new.png", "out/c-new.png"]


@pytest.mark.parametrize("text", ["empty", "photos/*.gif", "nothing/*.png", "photos/*.txt"])
def test_no_pictures_are_told(sdcli: Any, engine: FakeEngine, folder: Path, text: str) -> None:
    Path("empty").mkdir()
    result = sdcli("gen", "a fox", "-i", text)
    assert (result.code, result.lines, engine.batches) == (2, [], [])
    assert "there are no pictures in" in result.err


def test_a_walk_begins_and_ends_at_its_seeds() -> None:
    frames = walk(BASE, [3, 9], frames=5)
    assert frames[0] == BASE.model_copy(update={"seed": 3})
    assert frames[-1] == BASE.model_copy(update={"seed": 9})
    assert [(each.seed, each.variation_seed, each.variation_strength) for each in frames[1:4]] == [
        *((3, 9, 0.25), (3, 9, 0.5), (3, 9, 0.75))
    ]
    for frame in frames:  # each is a request of its own
        assert GenerationRequest(**frame.model_dump()) == frame


def test_a_walk_may_go_past_many_seeds() -> None:
    frames = walk(BASE, [1, 2, 3], frames=5)
    told = [(each.seed, each.variation_seed, each.variation_strength) for each in frames]
    assert told == [(1, None, 0), (1, 2, 0.5), (2, None, 0), (2, 3, 0.5), (3, None, 0)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sampler": "Euler a"}, "this sampler adds noise"),
        ({"s_churn": 2}, "this sampler adds noise"),
        ({"hires_scale": 2, "hires_sampler": "Euler a"}, "this sampler adds noise"),
        ({"sampler": "DPM++ 2M SDE"}, "this sampler adds noise"),
        ({"variation_seed": 1, "variation_strength": 0.2}, "does not work with a variation"),
    ],
)
def test_a_walk_needs_neighbours_that_are_alike(values: dict[str, Any], message: str) -> None:
    base = GenerationRequest(**({"prompt": "a", "seed": 1, "sampler": "Euler"} | values))
    with pytest.raises(UsageError, match=message):
        walk(base, [1, 2], frames=3)
    with pytest.raises(UsageError, match="two seeds"):
        walk(BASE, [1], frames=3)


@pytest.mark.parametrize("name", ["Euler a", "DPM++ 2M SDE"])
def test_a_walk_may_have_a_sampler_whose_noise_is_off(name: str) -> None:
    base = GenerationRequest(prompt="a", seed=1, sampler=name, eta=0)
    assert len(walk(base, [1, 2], frames=3)) == 3


def test_a_walk_may_take_a_pictures_settings(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("gen", "a fox", "-s", "9", "-S", "Euler", "-o", "a.png").code == 0
    result = sdcli("gen", "--from", "a.png", "--interpolate-seeds", "1,2", "-o", "out/")
    assert result.code == 0
    assert {made.sampler for made in engine.made} == {"Euler"}


def test_gen_walks(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "--interpolate-seeds", "1,2", "--frames", "4", "-o", "out/")
    assert result.code == 0
    assert len(result.lines) == 4
    info = json.loads(sdcli("info", "--json", result.lines[1]).out)
    assert info["settings"]["Variation seed"] == "2"


def test_frames_of_a_config_file_wait_for_a_walk(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("config", "set", "frames", "3").code == 0
    assert sdcli("gen", "a", "-o", "a.png").code == 0
    assert len(sdcli("gen", "a", "--interpolate-seeds", "1,2", "-o", "out/").lines) == 3


def test_an_animation_that_cannot_be_saved_is_a_failure_and_keeps_the_pictures(
    sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = FakeEngine.start

    def start(self: FakeEngine, *arguments: Any, **options: Any) -> Any:
        Path("a.gif").write_text("I came in between")
        return made(self, *arguments, **options)

    monkeypatch.setattr(FakeEngine, "start", start)
    result = sdcli("gen", "a", "-c", "2", "--animate", "a.gif", "-o", "out/")
    assert result.code == 1
    assert len(result.lines) == 2
    assert "a.gif exists" in result.err
    assert Path("a.gif").read_text() == "I came in between"


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_a_walk_can_be_an_animation(sdcli: Any, engine: FakeEngine, ending: str) -> None:
    walking = ("--interpolate-seeds", "1,2", "--frames", "4")
    result = sdcli("gen", "a fox", *walking, "-o", "out/", "--animate", f"walk.{ending}")
    assert result.code == 0
    assert result.lines[-1] == f"walk.{ending}"
    with Image.open(f"walk.{ending}") as found:
        assert found.n_frames == 4  # type: ignore[attr-defined]
        frames = []
        for place in range(4):
            found.seek(place)
            frames.append(np.asarray(found.convert("RGB"), int)[8, 8])
    for frame, path in zip(frames, result.lines, strict=False):
        pixel = np.asarray(Image.open(path), int)[8, 8]
        assert np.abs(frame - pixel).max() <= 6
    assert "Variation seed" not in sdcli("info", f"walk.{ending}").out  # of the first frame
    assert sdcli("info", f"walk.{ending}").out.startswith("a fox\n")
    again = sdcli("gen", "a fox", *walking, "-o", "out/", "--animate", f"walk.{ending}")
    assert again.code == 2
    assert "exists" in again.err


def test_an_animations_name_is_taken_as_it_is(sdcli: Any, engine: FakeEngine) -> None:
    assert sdcli("gen", "a", "-c", "2", "--animate", "{x}.gif", "-o", "out/").code == 0
    assert Path("{x}.gif").exists()


def test_an_animation_is_an_event(sdcli: Any, engine: FakeEngine) -> None:
    result = sdcli("gen", "a", "-c", "2", "--animate", "a.gif", "-o", "out/", "--json")
    events = [json.loads(line) for line in result.lines]
    assert {"event": "animation", "path": "a.gif", "frames": 2} in events
    assert events[-1]["event"] == "end"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "4"], "--frames: it works only with --interpolate-seeds"),
        (["--interpolate-seeds", "1,2", "-s", "3"], "--seed: --interpolate-seeds sets it"),
        (["--interpolate-seeds", "1,2", "-c", "3"], "--count: --interpolate-seeds sets it"),
        (["--interpolate-seeds", "1"], "two seeds"),
        (["--interpolate-seeds", "x"], "is not a seed"),
        (["--interpolate-seeds", "1,2", "-S", "Euler a"], "this sampler adds noise"),
        (["--animate", "a.png", "-c", "2"], "--animate: must be a .gif or a .webp"),
        (["--animate", "photos/notes.txt/a.gif", "-c", "2"], "--animate: cannot write into"),
        (["--animate", "a.gif"], "needs more than one picture"),
        (["--animate", "a.gif", "-i", "photos"], "more than one size"),
    ],
)
def test_what_does_not_go_together_is_refused(
    sdcli: Any, engine: FakeEngine, folder: Path, arguments: list[str], message: str
) -> None:
    result = sdcli("gen", "a", *arguments)
    assert (result.code, result.lines, engine.batches) == (2, [], [])
    assert message in result.err
