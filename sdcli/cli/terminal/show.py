"""`--show`: pictures in the terminal that a person sees, which is stderr's.

stdout is for paths. That is why no library does it: those that know the protocols write to stdout,
ask it what it can, and take a pipe on stdin for an answer.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from sdcli.cli.console import Console
from sdcli.notices import Say, silent
from sdcli.request.pictures import in_color
from sdcli.runs.events import Event, Queued, Saved

from .probe import Kind, Terminal, look

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console as RichConsole
    from rich.segment import Segment

Show = Callable[["Image"], None]
Cells = tuple[int, int]
"""Columns and lines."""

_LARGER = 2.0  # times its own pixels at most: what is small can be seen, and is no blur
_LINES = 2 / 3  # of the terminal's, so that the path and the bar stay in sight
_CHUNK = 4096  # bytes of a message in kitty's protocol


def unshown(image: Image) -> None:
    """Show nothing."""


class ShowPictures:
    """Listens to a run: each picture in the terminal, if its settings say so and somebody sees it.

    Where nobody would, `warn` is told if --show was typed; whoever keeps it in the config means:
    where it can be.
    """

    def __init__(self, console: Console, warn: Say) -> None:
        self._console = console
        self._warn = warn
        self._show: Show | None = None

    def __call__(self, event: Event) -> None:
        """Show what is saved."""
        match event:
            case Queued(_, settings, insists) if self._show is None:
                warn = self._warn if insists else silent
                self._show = screen(self._console, warn) if settings.show else unshown
            case Saved(_, _, picture):
                self.picture(picture.image)

    def picture(self, image: Image) -> None:
        """Show one."""
        (self._show or unshown)(image)


def screen(console: Console, warn: Say) -> Show:
    """Return what shows a picture above the bar; where nobody would see it, `warn` is told why."""
    if not sys.stderr.isatty():
        warn("--show: stderr is not a terminal, so no picture is shown")
        return unshown
    terminal = look(sys.stderr.fileno(), os.environ, ask=not _rows_are_typed())
    people = console.people
    if terminal.kind == "blocks" and (people.no_color or not people.color_system):
        why = (
            "NO_COLOR is set" if people.no_color else f"TERM={os.environ.get('TERM')} has no colors"
        )
        warn(f"--show: this terminal can show pictures only as colored blocks, and {why}")
        return unshown
    return partial(_show, people, terminal)


def _rows_are_typed() -> bool:
    """Return whether rows for `batch -` are read from where an answer would come."""
    from sdcli.runs.stream import NAME

    return any(thread.name == NAME for thread in threading.enumerate()) and sys.stdin.isatty()


def _show(people: RichConsole, terminal: Terminal, image: Image) -> None:
    from rich.segment import Segments

    room = people.width, int(people.height * _LINES)
    people.print(Segments(drawn(in_color(image), terminal, room)))


def drawn(image: Image, terminal: Terminal, room: Cells) -> Sequence[Segment]:
    """Return the picture as lines of that terminal, as large as it may be in so much room."""
    from rich.segment import ControlType, Segment

    width, height = terminal.cell
    if terminal.kind == "blocks":
        return list(_blocks(image, fitted(image.size, (1.0, height / width), room)))
    columns, lines = fitted(image.size, (width, height), room)
    data = _PROTOCOLS[terminal.kind](image, (columns, lines), terminal)
    # Lines first, then the picture over them: it scrolls nothing, and nothing is written on it. As
    # control codes it is neither counted as text nor cut.
    over = f"\x1b7\x1b[{lines}A{data}\x1b8"
    return [*[Segment.line()] * lines, Segment(over, None, [(ControlType.CURSOR_UP, lines)])]


def fitted(size: tuple[int, int], cell: tuple[float, float], room: Cells) -> Cells:
    """Return the cells for a picture of that size, each so many pixels of it at its own scale."""
    whole = (most * each / side for most, each, side in zip(room, cell, size, strict=True))
    scale = min(_LARGER, *whole)
    columns, lines = (
        max(1, round(side * scale / each)) for side, each in zip(size, cell, strict=True)
    )
    return columns, lines


def _blocks(image: Image, cells: Cells) -> Iterator[Segment]:
    """Draw two pixels a cell, one above the other."""
    from rich.color import Color
    from rich.segment import Segment
    from rich.style import Style

    columns, lines = cells
    pixels = image.resize((columns, 2 * lines)).load()
    assert pixels is not None
    for line in range(lines):
        for column in range(columns):
            upper, lower = (
                Color.from_rgb(*pixels[column, y])  # type: ignore[misc]  # a picture in RGB
                for y in (2 * line, 2 * line + 1)
            )
            yield Segment("▀", Style(color=upper, bgcolor=lower))
        yield Segment.line()


def _kitty(image: Image, cells: Cells, terminal: Terminal) -> str:
    """Encode for kitty's graphics protocol: a PNG in messages, to fill the cells."""
    from PIL import ImageOps

    size = _pixels(cells, terminal)
    # Cells have not quite its proportions: the rest of the last ones is transparent.
    filled = ImageOps.pad(image.convert("RGBA"), size, color=(0, 0, 0, 0), centering=(0, 0))
    data = _png(filled)
    parts = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    # Transmitted and shown, with no answer, and no other place for the cursor.
    first = f"a=T,f=100,q=2,C=1,c={cells[0]},r={cells[1]},"
    return "".join(
        f"\x1b_G{first if not number else ''}m={int(number < len(parts) - 1)};{part}\x1b\\"
        for number, part in enumerate(parts)
    )


def _iterm2(image: Image, cells: Cells, terminal: Terminal) -> str:
    """Encode for iTerm2: the whole picture, which it scales to the cells."""
    size = f"width={cells[0]};height={cells[1]};preserveAspectRatio=1"
    return f"\x1b]1337;File=inline=1;{size}:{_png(image)}\a"


def _sixel(image: Image, cells: Cells, terminal: Terminal) -> str:
    """Encode as sixels: bands of six lines, in each a line of characters a color."""
    import numpy as np
    from PIL import ImageOps
    from PIL.Image import Dither

    small = ImageOps.contain(image, _pixels(cells, terminal))
    few = ImageOps.contain(small, (128, 128)).quantize(terminal.colors)  # takes longest by far
    indexed = small.quantize(palette=few, dither=Dither.NONE)  # dithered, it has twice the bytes
    pixels = np.asarray(indexed)
    levels = np.reshape(indexed.getpalette() or [], (-1, 3)) * 100 / 255
    parts = [f'\x1bP0;1;0q"1;1;{small.width};{small.height}']
    for color in np.unique(pixels):
        red, green, blue = levels[color].round().astype(int)
        parts.append(f"#{color};2;{red};{green};{blue}")
    across = np.arange(small.width)
    for top in range(0, small.height, 6):
        band = pixels[top : top + 6]
        bits = np.full((256, small.width), ord("?"), np.uint8)
        for number, line in enumerate(band):
            bits[line, across] += 1 << number
        for color in np.unique(band):
            text = bits[color].tobytes().decode().rstrip("?")
            parts.append(f"#{color}{_RUN.sub(_shortened, text)}$")
        parts.append("-")
    return "".join([*parts, "\x1b\\"])


_RUN = re.compile(r"(.)\1{3,}")


def _shortened(run: re.Match[str]) -> str:
    return f"!{len(run[0])}{run[1]}"


def _pixels(cells: Cells, terminal: Terminal) -> tuple[int, int]:
    return cells[0] * terminal.cell[0], cells[1] * terminal.cell[1]


def _png(image: Image) -> str:
    data = BytesIO()
    image.save(data, "PNG", compress_level=1)  # it goes no further than to the terminal
    return b64encode(data.getvalue()).decode()


_PROTOCOLS: Mapping[Kind, Callable[[Image, Cells, Terminal], str]] = {
    "kitty": _kitty,
    "iterm2": _iterm2,
    "sixel": _sixel,
}
