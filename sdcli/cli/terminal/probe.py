"""What a terminal can show: known by its name in the environment, else it is asked."""

from __future__ import annotations

import os
import re
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kitty", "iterm2", "sixel", "blocks"]
"""How pictures get there: by one of three protocols, or as half blocks in two colors each."""

_CELL = (8, 16)  # pixels of one that does not tell: rather too small, so that no picture spills
_PATIENCE = 2.0  # seconds for an answer, which may come from afar


@dataclass(frozen=True, slots=True)
class Terminal:
    """What it can show, the pixels of one of its cells, and of how many colors a sixel may be."""

    kind: Kind
    cell: tuple[int, int] = _CELL
    colors: int = 256


# The first row whose variable reads like that; who is in none of them is asked.
_NAMES: tuple[tuple[str, str, Kind], ...] = (
    # Between us and the terminal, and swallow or garble what they do not know themselves.
    ("TMUX", ".+", "blocks"),
    ("STY", ".+", "blocks"),
    ("ZELLIJ", ".+", "blocks"),
    ("TERM", "(screen|tmux).*", "blocks"),  # by ssh from one of them
    ("TERM", "dumb", "blocks"),
    ("TERM", "xterm-kitty|xterm-ghostty", "kitty"),
    # In full color, where their sixels have 256; ssh carries LC_TERMINAL along.
    ("TERM_PROGRAM", r"iTerm\.app|WezTerm", "iterm2"),
    ("LC_TERMINAL", "iTerm2", "iterm2"),
)

# Every terminal answers the last of each, so nobody waits for those that know only that.
_ATTRIBUTES = "\x1b[c"
_WHAT = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" + "\x1b[16t" + _ATTRIBUTES
_COLORS = "\x1b[?1;1;0S" + _ATTRIBUTES
_BEFORE, _AFTER = "\x1b7", "\x1b8\x1b[K"  # to wipe away a question that is printed, not answered

_ANSWER = re.compile(r"\x1b\[\?([\d;]*)c")
_KITTY_ANSWER = "\x1b_Gi=31;OK"
_CELL_ANSWER = re.compile(r"\x1b\[6;(\d+);(\d+)t")
_COLORS_ANSWER = re.compile(r"\x1b\[\?1;0;(\d+)S")
_SIXEL = "4"  # among the attributes


def look(stream: int, environ: Mapping[str, str], *, ask: bool = True) -> Terminal:
    """Return what the terminal of a file descriptor can show.

    To `ask` takes its answer from what is typed, so nobody else may be reading that.
    """
    cell = _cell_of(stream)
    for variable, name, kind in _NAMES:
        if re.fullmatch(name, environ.get(variable, "")):
            return Terminal(kind, cell or _CELL)
    answer = _ask(stream, _WHAT) if ask else ""
    if not cell and (size := _CELL_ANSWER.search(answer)):
        cell = int(size[2]), int(size[1])
    cell = cell or _CELL
    if _KITTY_ANSWER in answer:
        return Terminal("kitty", cell)
    attributes = _ANSWER.search(answer)
    if not attributes or _SIXEL not in attributes[1].split(";"):
        return Terminal("blocks", cell)
    known = _COLORS_ANSWER.search(_ask(stream, _COLORS))
    return Terminal("sixel", cell, min(256, max(2, int(known[1]))) if known else 256)


def _cell_of(stream: int) -> tuple[int, int] | None:
    """Return the pixels of a cell, if the system knows them."""
    if sys.platform == "win32":
        return None
    import fcntl
    import termios

    size = fcntl.ioctl(stream, termios.TIOCGWINSZ, bytes(8))
    lines, columns, width, height = struct.unpack("HHHH", size)
    if not (lines and columns and width and height):
        return None
    return width // columns, height // lines


def _ask(stream: int, question: str) -> str:
    """Return what the terminal answers; nothing where it does not, or must not be asked.

    It is asked by its own name: stdin may be a pipe.
    """
    if sys.platform == "win32":
        return ""
    import termios
    import tty

    try:
        if os.tcgetpgrp(stream) != os.getpgrp():
            return ""  # a job in the background would be stopped
        terminal = os.open(os.ttyname(stream), os.O_RDWR | os.O_NOCTTY)
    except OSError:  # it is not ours, but another session's
        return ""
    try:
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSADRAIN)  # else answers are shown, and kept to a line
            os.write(terminal, f"{_BEFORE}{question}".encode())
            answer = _read(terminal)
            os.write(terminal, _AFTER.encode())
            return answer
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    finally:
        os.close(terminal)


def _read(terminal: int) -> str:
    """Return all that comes until the last answer has."""
    from select import select

    answer = ""
    end = time.monotonic() + _PATIENCE
    while not _ANSWER.search(answer):
        if not select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        answer += os.read(terminal, 1024).decode("latin-1")
    return answer
