"""--show: each protocol's bytes are the picture again, fitted, and the right one is chosen."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat
from protocols import from_iterm2, from_kitty, from_sixel
from rich.segment import Segment

from sdcli.cli.terminal.probe import Kind, Terminal, look
from sdcli.cli.terminal.show import drawn, fitted

ROOM = (80, 16)
CELL = (10, 20)


def picture(width: int = 96, height: int = 128) -> Image.Image:
    """One in which every row, column and channel differs."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, down, ImageChops.invert(across)))


def message(image: Image.Image, terminal: Terminal, room: tuple[int, int] = ROOM) -> str:
    """What is sent over the lines that are kept free for it."""
    *lines, last = drawn(image, terminal, room)
    assert lines == [Segment.line()] * len(lines)
    assert last.is_control  # else rich would count it as text
    before, after = f"\x1b7\x1b[{len(lines)}A", "\x1b8"
    assert last.text.startswith(before)
    assert last.text.endswith(after)
    return last.text.removeprefix(before).removesuffix(after)


def difference(one: Image.Image, other: Image.Image) -> float:
    """In levels of 255, on the average."""
    assert one.size == other.size
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_kitty_gets_the_picture_in_a_png_that_fills_its_cells() -> None:
    image = picture()
    messages = message(image, Terminal("kitty", CELL)).split("\x1b\\")
    assert messages.pop() == ""
    said, file = from_kitty([each.removeprefix("\x1b_G") for each in messages])
    columns, lines = fitted(image.size, CELL, ROOM)
    assert said == {
        **{"a": "T", "f": "100", "q": "2", "C": "1", "m": said["m"]},
        **{"c": str(columns), "r": str(lines)},
    }
    with Image.open(file) as shown:
        assert shown.size == (columns * CELL[0], lines * CELL[1])
        *colours, alpha = shown.split()
        inside = alpha.getbbox()
        assert inside is not None
        expected = ImageOps.contain(image, shown.size)
        assert inside == (0, 0, *expected.size)
        assert difference(Image.merge("RGB", colours).crop(inside), expected) < 1


def test_a_large_picture_comes_to_kitty_in_messages_of_4096_bytes() -> None:
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    messages = message(noise, Terminal("kitty", CELL)).split("\x1b\\")[:-1]
    assert len(messages) > 2
    _, file = from_kitty([each.removeprefix("\x1b_G") for each in messages])
    with Image.open(file) as shown:
        shown.verify()


def test_iterm2_gets_the_picture_as_it_is() -> None:
    image = picture()
    said = message(image, Terminal("iterm2", CELL))
    start, end = "\x1b]1337;File=", "\a"
    assert said.startswith(start)
    assert said.endswith(end)
    head, file = from_iterm2(said.removeprefix(start).removesuffix(end))
    columns, lines = fitted(image.size, CELL, ROOM)
    assert head == {
        **{"inline": "1", "preserveAspectRatio": "1"},
        **{"width": str(columns), "height": str(lines)},
    }
    with Image.open(file) as shown:
        assert shown.tobytes() == image.tobytes()


@pytest.mark.parametrize(("colours", "off"), [(256, 6), (16, 20)])
def test_a_sixel_is_the_picture_in_as_many_colours_as_there_are(colours: int, off: float) -> None:
    image = picture()
    said = message(image, Terminal("sixel", CELL, colours))
    size, pixels = from_sixel(said.removeprefix("\x1bP").removesuffix("\x1b\\"))
    columns, lines = fitted(image.size, CELL, ROOM)
    expected = ImageOps.contain(image, (columns * CELL[0], lines * CELL[1]))
    assert size == expected.size
    assert pixels.keys() == {(x, y) for x in range(size[0]) for y in range(size[1])}
    assert 2 < len(set(pixels.values())) <= colours
    shown = Image.new("RGB", size)
    for place, colour in pixels.items():
        shown.putpixel(place, tuple(round(level * 2.55) for level in colour))
    assert difference(shown, expected) < off


def test_a_sixel_of_few_colours_is_exact() -> None:
    """But for its own hundredths."""
    image = Image.new("RGB", (60, 120), "red")
    image.paste((12, 200, 120), (20, 10, 41, 99))
    said = message(image, Terminal("sixel", CELL), (6, 100))
    size, pixels = from_sixel(said.removeprefix("\x1bP").removesuffix("\x1b\\"))
    assert size == image.size
    for (x, y), colour in pixels.items():
        assert colour == tuple(round(level / 2.55) for level in np.asarray(image)[y, x].tolist())


def test_half_blocks_are_the_picture_two_pixels_a_cell() -> None:
    image = picture()
    columns, lines = fitted(image.size, (1, 2), ROOM)
    small = image.resize((columns, 2 * lines))
    segments: list[Any] = list(drawn(image, Terminal("blocks"), ROOM))
    for line in range(lines):
        for column in range(columns):
            cell = segments.pop(0)
            assert cell.text == "▀"
            assert tuple(cell.style.color.triplet) == small.getpixel((column, 2 * line))
            assert tuple(cell.style.bgcolor.triplet) == small.getpixel((column, 2 * line + 1))
        assert segments.pop(0) == Segment.line()
    assert not segments


SIDE = st.integers(1, 4096)


@given(SIDE, SIDE, st.integers(1, 300), st.integers(1, 100), st.sampled_from([(8, 16), (1, 2)]))
def test_a_picture_fits_and_is_not_enlarged_much(
    width: int, height: int, columns: int, lines: int, cell: tuple[int, int]
) -> None:
    found = fitted((width, height), cell, (columns, lines))
    assert 1 <= found[0] <= columns
    assert 1 <= found[1] <= lines
    across, down = found[0] * cell[0] / width, found[1] * cell[1] / height
    assert min(across, down) <= 2 + cell[1] / min(width, height)
    if min(found) > 2:  # else a cell more or less is too much
        assert across / down == pytest.approx(1, rel=1 / min(found))


@pytest.mark.parametrize(
    ("size", "cell", "cells"),
    [
        ((128, 128), (10, 20), (26, 13)),  # small, and twice as large
        ((512, 512), (10, 20), (32, 16)),
        ((512, 512), (1, 2), (32, 16)),
        ((2048, 512), (10, 20), (80, 10)),  # as wide as the terminal
        ((64, 640), (10, 20), (3, 16)),
    ],
)
def test_how_large_pictures_are_in_80_columns(
    size: tuple[int, int], cell: tuple[int, int], cells: tuple[int, int]
) -> None:
    assert fitted(size, cell, ROOM) == cells


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-1000/default,1,0"}, "blocks"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "STY": "1.pts-0"}, "blocks"),
        ({"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2"}, "blocks"),
        ({"TERM": "screen.xterm-256color"}, "blocks"),
        ({"TERM": "xterm-kitty", "ZELLIJ": "0"}, "blocks"),
        ({"TERM": "dumb"}, "blocks"),
        ({"TERM": "xterm-256color", "TMUX": ""}, "blocks"),
        ({}, "blocks"),
    ],
    ids=repr,
)
def test_a_terminal_is_known_by_its_name(environ: dict[str, str], kind: Kind) -> None:
    """And one that is not, and cannot be asked, gets half blocks."""
    ours, theirs = os.openpty()
    try:
        assert look(theirs, environ) == Terminal(kind)
        assert look(theirs, environ, ask=False) == Terminal(kind)
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):  # another session's terminal is not asked
            os.read(ours, 1)
    finally:
        os.close(ours)
        os.close(theirs)
