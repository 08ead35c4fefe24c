"""--show in a terminal: what it is asked, and that pictures, paths and the bar keep apart."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from faked_process import FAKED
from faked_terminal import KITTY, PLAIN, SIXEL, FakedTerminal
from PIL import Image
from protocols import from_kitty, from_sixel
from quick import slow

from sdcli.cli.terminal.show import fitted

GEN = (*FAKED, "gen", "a fox", "--size", "128x128", "-b", "1", "--show")


def shown(terminal: FakedTerminal) -> list[range]:
    """The lines of each picture of half blocks."""
    found: list[range] = []
    for line, text in enumerate(terminal.text):
        if not text.startswith("▀"):
            continue
        if found and found[-1].stop == line:
            found[-1] = range(found[-1].start, line + 1)
        else:
            found.append(range(line, line + 1))
    return found


def colour(path: str) -> tuple[int, ...]:
    """Of one of the fake engine's pictures."""
    with Image.open(path) as image:
        found = image.getpixel((0, 0))
    assert isinstance(found, tuple)
    return found


def paths(terminal: FakedTerminal) -> list[str]:
    """The lines that are paths."""
    return [text for text in terminal.text if text.endswith(".png")]


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), slow(120, 40)])
def test_half_blocks_paths_and_the_bar_keep_apart(columns: int, lines: int) -> None:
    """Many more pictures than lines: it scrolls."""
    terminal = FakedTerminal(columns, lines)
    code, _ = terminal.run([*GEN, "-s", "1-4"])
    assert code == 0
    assert terminal.wrapped == 0
    wide, high = fitted((128, 128), (1, 2), (columns, lines * 2 // 3))
    text = terminal.text
    assert [len(found) for found in shown(terminal)] == [high] * 4
    for found in shown(terminal):
        its = colour(text[found.start - 1])  # the path stands above
        for line in found:
            assert text[line] == "▀" * wide
            cells = [terminal.cells[line, column] for column in range(wide)]
            assert {(cell.ink, cell.paper) for cell in cells} == {(its, its)}
    rest = [line for line in text if not line.startswith("▀")]
    assert rest[0] == "builtin on cpu, fp32"
    assert [Path(path).name for path in rest[1:-1]] == [f"0000{n}-{n}.png" for n in range(1, 5)]
    assert rest[-1].startswith("4 made in ")


@pytest.mark.parametrize(
    ("columns", "answers", "environ", "kind"),
    [
        pytest.param(80, KITTY, {}, "kitty", id="kitty"),
        slow(80, {**KITTY, **SIXEL}, {}, "kitty", id="kitty and sixel"),
        slow(120, SIXEL, {}, "sixel", id="sixel"),
        slow(120, PLAIN, {"TERM_PROGRAM": "WezTerm"}, "iterm2", id="iterm2"),
    ],
)
def test_a_picture_stands_on_lines_of_its_own(
    columns: int, answers: dict[str, str], environ: dict[str, str], kind: str
) -> None:
    terminal = FakedTerminal(columns, 24, answers)
    code, _ = terminal.run([*GEN, "-s", "1,2"], environ=environ)
    assert code == 0
    text = terminal.text
    assert [each.kind for each in terminal.drawn] == [kind] * 2
    for each in terminal.drawn:
        assert each.column == 0
        assert text[each.line - 1].endswith(".png")
        # 256 pixels in lines of 20.
        assert text[each.line : each.line + 13] == [""] * 13
        assert text[each.line + 13]
    assert len(paths(terminal)) == 2
    assert text[-1].startswith("2 made in ")


@pytest.mark.slow
def test_the_system_knows_the_pixels_of_a_cell_or_the_terminal_is_asked() -> None:
    for cell, answers in (((12, 24), SIXEL), (None, {**SIXEL, "t": "\x1b[6;24;12t"})):
        terminal = FakedTerminal(answers=answers, cell=cell)
        terminal.run([*GEN, "-s", "1"])
        size, _ = from_sixel(terminal.drawn[0].data)
        columns, high = fitted((128, 128), (12, 24), (80, 16))
        assert size == (min(columns * 12, high * 24),) * 2
        assert terminal.asked == ["kitty", "t", "c", "S", "c"]
    unknown = FakedTerminal(answers=KITTY, cell=None)
    unknown.run([*GEN, "-s", "1"])
    said, file = from_kitty([unknown.drawn[0].data])
    with Image.open(file) as image:
        assert image.size == (int(said["c"]) * 8, int(said["r"]) * 16)


@pytest.mark.slow
def test_paths_of_a_pipe_are_all_that_is_in_it() -> None:
    """And a prompt from one leaves the terminal to answer."""
    terminal = FakedTerminal(answers=KITTY)
    command = [*FAKED, "gen", "--size", "64x64", "-s", "1-2", "-b", "1", "--show"]
    code, out = terminal.run(command, stdin=b"a fox\n", pipe=True)
    assert code == 0
    assert [Path(line).is_file() for line in out.decode().splitlines()] == [True, True]
    assert b"\x1b" not in out
    assert len(terminal.drawn) == 2
    assert not paths(terminal)


@pytest.mark.slow
def test_the_bytes_of_a_picture_go_one_way_and_the_picture_another() -> None:
    terminal = FakedTerminal(answers=KITTY)
    code, out = terminal.run([*GEN, "-s", "1", "-o", "-"], pipe=True)
    assert code == 0
    with Image.open(io.BytesIO(out)) as image:
        assert image.size == (128, 128)
    assert len(terminal.drawn) == 1


@pytest.mark.slow
def test_events_and_pictures_do_not_mix() -> None:
    terminal = FakedTerminal(answers=KITTY)
    code, out = terminal.run([*GEN, "-s", "1", "--json"], pipe=True)
    assert code == 0
    events = [json.loads(line)["event"] for line in out.decode().splitlines()]
    assert events == ["start", *["progress"] * 3, "picture", "end"]
    assert len(terminal.drawn) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "why"),
    [({"NO_COLOR": "1"}, "NO_COLOR is set"), ({"TERM": "dumb"}, "TERM=dumb has no colors")],
)
def test_half_blocks_need_colours(environ: dict[str, str], why: str) -> None:
    terminal = FakedTerminal()
    code, _ = terminal.run([*GEN, "-s", "1,2"], environ=environ)
    assert code == 0
    said = "".join(terminal.text)
    told = f"--show: this terminal can show pictures only as colored blocks, and {why}"
    assert said.replace(" ", "").count(told.replace(" ", "")) == 1  # however its line is broken
    assert "▀" not in said
    assert sum(each.is_file() for each in Path().rglob("*.png")) == 2


@pytest.mark.slow
def test_a_protocol_needs_none() -> None:
    terminal = FakedTerminal(answers=KITTY)
    assert terminal.run([*GEN, "-s", "1"], environ={"NO_COLOR": "1"})[0] == 0
    assert len(terminal.drawn) == 1


@pytest.mark.slow
def test_a_terminal_of_256_colours_gets_those() -> None:
    terminal = FakedTerminal()
    assert terminal.run([*GEN, "-s", "1"], environ={"COLORTERM": ""})[0] == 0
    [found] = shown(terminal)
    assert len(terminal.cells[found.start, 0].ink or ()) == 1


def test_a_terminal_that_never_answers_gets_half_blocks() -> None:
    script = "import sdcli.cli.terminal.probe as it; it._PATIENCE = 0.1\n" + FAKED[2]
    terminal = FakedTerminal(answers={})
    assert terminal.run([FAKED[0], "-c", script, *GEN[3:], "-s", "1"])[0] == 0
    assert len(shown(terminal)) == 1


@pytest.mark.slow
def test_a_job_in_the_background_asks_nothing() -> None:
    """It would be stopped."""
    terminal = FakedTerminal(answers=KITTY)
    script = 'set -m; "$@" & wait $!'
    code, _ = terminal.run(["bash", "-c", script, "bash", *GEN, "-s", "1"])
    assert code == 0
    assert not terminal.asked
    assert len(shown(terminal)) == 1


@pytest.mark.slow
def test_rows_that_are_typed_are_no_answers() -> None:
    terminal = FakedTerminal(answers=KITTY)
    command = [*FAKED, "batch", "-", "--size", "64x64", "-s", "1", "--show", "-o", "out/"]
    typed = {"": b"a fox\n", "▀": b"a cat\n\x04"}
    code, out = terminal.run(command, typed=typed, pipe=True)
    assert code == 0
    assert not terminal.asked
    assert len(out.decode().splitlines()) == 2
    assert sum(map(len, shown(terminal))) == 2 * 16


@pytest.mark.slow
def test_nobody_is_asked_without_show() -> None:
    terminal = FakedTerminal(answers=KITTY)
    assert terminal.run([*FAKED, "gen", "a fox", "-s", "1"])[0] == 0
    assert not terminal.asked
    assert not terminal.drawn
