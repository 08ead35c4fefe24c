"""Where pictures go: templates, names that are safe and free, and writes that are whole or not."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdcli.errors import OutputError, UsageError
from sdcli.files import write_atomically
from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings
from sdcli.runs.output import FIELDS, Target, template_values


def target(output: str, pictures: int = 1, **more: Any) -> Target:
    """The target of `--output` and the like."""
    return Target.of(Settings(output=output, **more), pictures)


def values(**more: Any) -> dict[str, object]:
    """The template's values of one request."""
    request = GenerationRequest(**{"seed": 7, "prompt": "a fox", **more})
    return template_values(request, model="tiny", row=3, preset="film")


def save(output: str, prompt: str = "a fox", **more: Any) -> str:
    """Save a picture of that prompt; returns its path."""
    return str(target(output, **more).save(b"data", values(prompt=prompt)))


def tree() -> list[str]:
    """Every file below the working folder."""
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{index}", "1.png"),
        ("{index:05}-{seed}", "00001-7.png"),
        ("{seed:>4}x{seed:<3}", "   7x7  .png"),
        ("{sampler}, {scheduler}, {steps}", "DPM++ 2M, Karras, 20.png"),
        ("{cfg}-{cfg:.2f}", "7.0-7.00.png"),
        ("{width}x{height}", "0x64.png"),
        ("{model}/{preset}/{row:03}", "tiny/film/003.png"),
        ("{prompt:.3}", "a f.png"),
        ("{prompt!r}", "'a fox'.png"),
        ("{{seed}}-{seed}", "{seed}-7.png"),
        ("a.b/v1.5-{seed}", "a.b/v1.5-7.png"),
        ("{seed}.webp", "7.webp"),
        ("{seed}.JPEG", "7.JPEG"),
    ],
)
def test_a_template_is_filled(template: str, name: str) -> None:
    assert str(target(template).save(b"x", values(height=64))) == name
    assert tree() == [name]


def test_every_field_can_be_used_and_has_a_value() -> None:
    path = save("/".join(f"{field}={{{field}}}" for field in FIELDS))
    found = dict(part.split("=") for part in path.removesuffix(".png").split("/"))
    assert list(found) == list(FIELDS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert re.fullmatch(r"\d{6}", found["time"])
    assert re.fullmatch(r"[0-9a-f]{10}", found["hash"])
    assert values()["hash"] == values()["hash"] != values(steps=21)["hash"]


BAD = ["{sed}", "{}", "{0}", "{seed.__class__}", "{seed[0]}", "{seed", "seed}", "{date:%Y}"]
BAD += ["{prompt:05d}", "{cfg:d}", "{seed!z}", "{seed:{index}}", "{seed:{seed.__class__}}"]
BAD += ["{seed:999999999}", "{prompt!r:d}", "{ seed}", "{seed:.2}"]


@pytest.mark.parametrize("template", BAD)
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    """Before anything is made, whatever the field's values will be."""
    with pytest.raises(UsageError, match="--output: "):
        target(f"out/{template}")
    assert tree() == []


def test_an_unknown_field_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown field \{promt\}") as error:
        target("{promt}")
    assert error.value.hint.startswith("did you mean 'prompt'")


@pytest.mark.parametrize(
    ("output", "file_format", "path"),
    [
        ("a.png", "png", "a.png"),
        ("a.jpeg", "jpg", "a.jpeg"),
        ("a", "webp", "a.webp"),
        ("a.gif", None, "a.gif.png"),
        ("pics/", "jpg", "pics/00001-7.jpg"),
        ("x.jpg/", None, "x.jpg/00001-7.jpg"),
        ("there", None, "there/00001-7.png"),
        ("a" * 300, None, "a" * 236 + ".png"),
    ],
)
def test_a_file_or_a_folder_is_named(output: str, file_format: Any, path: str) -> None:
    """A folder ends in a slash or exists; a file's ending tells its format."""
    Path("there").mkdir()
    assert save(output, format=file_format) == path


@pytest.mark.parametrize(("output", "file_format"), [("a.png", "jpg"), ("{seed}.jpg", "webp")])
def test_an_ending_that_the_format_contradicts_is_refused(output: str, file_format: Any) -> None:
    with pytest.raises(UsageError, match=f"does not end in .{file_format}"):
        target(output, format=file_format)


def test_a_file_that_exists_is_refused_unless_overwritten() -> None:
    Path("{a}.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"--output: \{a\}.png exists") as error:
        target("{{a}}")
    assert "--overwrite" in error.value.hint
    assert save("{{a}}", overwrite=True) == "{a}.png"
    assert Path("{a}.png").read_bytes() == b"data"


def test_many_pictures_do_not_fit_into_one_file() -> None:
    with pytest.raises(UsageError, match=r"2 pictures do not fit into one file, a\.png"):
        target("a.png", 2, overwrite=True)
    target("a-{seed}.png", 2)


@pytest.mark.parametrize("output", ["file/x/{seed}", "file/", "file/a.png", "n" * 300 + "/{seed}"])
def test_a_folder_that_cannot_be_is_refused(output: str) -> None:
    Path("file").write_text("")
    with pytest.raises(UsageError, match="--output: cannot write into"):
        target(output)
    assert tree() == ["file"]


PROMPTS = ["../../etc/passwd", "a" * 300, "a" + "\U0001f98a" * 300, "\n\r\n", "C:\\x", "", ".."]
PROMPTS += ["/", "~", "-rf", " . ", "{seed}", "a\x7fb", "nul\x01", ". ./..", "é" * 127 + "/" * 9]
TYPED = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(prompt=st.sampled_from(PROMPTS) | st.text(TYPED))
@example(prompt="a" + "\U0001f98a" * 300)
@example(prompt="..")
@pytest.mark.parametrize("template", ["{prompt}/{seed}", "{prompt}", "a/{prompt}-{prompt}-{index}"])
@settings(max_examples=60)
def test_no_prompt_escapes_the_folder_or_fails(template: str, prompt: str) -> None:
    """A shared prompt gives a free name each time, even where the name had to be cut."""
    root = Path("out").absolute()
    place = target(f"out/{template}")
    paths = [place.save(b"x", values(prompt=prompt)) for _ in range(2)]
    assert paths[0] != paths[1]
    for path in paths:
        assert path.resolve().is_relative_to(root)
        assert len(path.parts) == 1 + template.count("/") + 1
        assert re.search(r"[\x00-\x1f:\\]", str(path)) is None
        assert "\ufffd" in prompt or "\ufffd" not in str(path)  # no character is cut in two
        assert path.read_bytes() == b"x"


def test_the_index_goes_on_from_the_greatest_in_the_folder() -> None:
    Path("out").mkdir()
    for name in ("00002-5.png", "17 and more.txt", "x99.png", "1700000000000.png"):
        Path("out", name).touch()
    names = [save("out/{index:05}-{seed}") for _ in range(2)]
    assert names == ["out/00018-7.png", "out/00019-7.png"]


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert [save("{seed}.png", pictures=3) for _ in range(3)] == ["7.png", "7-2.png", "7-3.png"]


def test_overwrite_replaces_what_was_there_but_not_a_picture_of_this_run() -> None:
    Path("7.png").write_bytes(b"old")
    place = target("{seed}", 2, overwrite=True)
    assert [str(place.save(data, values())) for data in (b"1", b"2")] == ["7.png", "7-2.png"]
    assert [Path(name).read_bytes() for name in tree()] == [b"2", b"1"]


@pytest.mark.parametrize("function", ["fsync", "link"])
def test_a_write_that_fails_leaves_nothing(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OutputError, match=r"cannot write out/7\.png: No space left"):
        save("out/{seed}")
    assert tree() == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_without_hard_links_nothing_is_replaced_either(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    Path("7.png").write_bytes(b"mine")
    assert save("{seed}") == "7-2.png"
    with pytest.raises(FileExistsError):
        write_atomically(Path("7.png"), b"x", overwrite=False)
    assert Path("7.png").read_bytes() == b"mine"
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="no links here"):
        save("{steps}")
    assert tree() == ["7-2.png", "7.png"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_folder_removed_while_writing_is_made_again(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, left = os.fsync, [times]

    def removed_meanwhile(handle: int) -> None:
        fsync(handle)
        if left[0]:
            left[0] -= 1
            shutil.rmtree("out")

    monkeypatch.setattr(os, "fsync", removed_meanwhile)
    assert save("out/{seed}") == "out/7.png"
    assert Path("out/7.png").read_bytes() == b"data"


def test_a_folder_removed_again_and_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: shutil.rmtree("out"))
    with pytest.raises(OutputError, match=r"cannot write out/7\.png: No such file"):
        save("out/{seed}")


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_mode_follows_the_umask(mask: int) -> None:
    before = os.umask(mask)
    try:
        path = Path(save("{seed}"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_file_in_the_folders_place_is_told() -> None:
    Path("a fox").write_text("")
    with pytest.raises(OutputError, match=r"cannot write a fox/7\.png"):
        save("{prompt}/{seed}")


_SAVE_FIFTY = """
import sys
from sdcli.runs.output import Target
from sdcli.request.settings import Settings
folder, who = sys.argv[1:]
for number in range(50):
    Target.of(Settings(output=folder), 50).save(f"{who} {number}".encode(), {"seed": 7})
"""


def _save_fifty(folder: str, who: int) -> None:
    for number in range(50):
        target(f"{folder}/").save(f"{who} {number}".encode(), values())


def test_threads_and_processes_that_share_a_folder_lose_no_picture(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    other = subprocess.Popen([sys.executable, "-c", _SAVE_FIFTY, f"{folder}/", "0"])
    with ThreadPoolExecutor() as pool:
        list(pool.map(_save_fifty, [str(folder)] * 2, (1, 2)))
    assert other.wait(timeout=60) == 0
    contents = {path.read_text() for path in folder.iterdir()}
    assert contents == {f"{who} {number}" for who in range(3) for number in range(50)}
