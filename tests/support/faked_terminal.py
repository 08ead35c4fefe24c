"""A terminal in memory: it runs a command, answers what it is asked, and keeps what it shows.

It scrolls, and nothing that scrolls away is lost: lines count from the first one.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Thread

_SEQUENCE = re.compile(
    r"\x1b_G(?P<kitty>.*?)\x1b\\"
    r"|\x1b\]1337;File=(?P<iterm2>.*?)\a"
    r"|\x1bP(?P<sixel>.*?)\x1b\\"
    r"|\x1b\[(?P<arguments>[?\d;]*)(?P<letter>[A-Za-z])"
    r"|\x1b(?P<keeps>[78])"
    r"|(?P<text>[^\x1b])",
    re.DOTALL,
)
KITTY = {"kitty": "\x1b_Gi=31;OK\x1b\\", "c": "\x1b[?62;c"}
SIXEL = {"c": "\x1b[?62;4;22c", "S": "\x1b[?1;0;64S"}
PLAIN = {"c": "\x1b[?1;2c"}

# By opening it, the leader of a session gets its terminal.
_WITH_TERMINAL = ("sh", "-c", ': <>"$0"; exec "$@"')
_NAMES = {"COLUMNS", "LINES", "NO_COLOR", "TMUX", "STY", "ZELLIJ", "TERM_PROGRAM", "LC_TERMINAL"}

Colour = tuple[int, ...] | None


@dataclass(frozen=True)
class Cell:
    """A character and its two colours."""

    text: str = " "
    ink: Colour = None
    paper: Colour = None


@dataclass(frozen=True)
class Drawn:
    """A message of one of the protocols, and where it came."""

    kind: str
    data: str
    line: int
    column: int


@dataclass
class FakedTerminal:
    """`answers` are by the last letter of a question, or "kitty".

    `cell` are its pixels, or None where the system does not know them.
    """

    columns: int = 80
    lines: int = 24
    answers: Mapping[str, str] = field(default_factory=lambda: PLAIN)
    cell: tuple[int, int] | None = (10, 20)
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    drawn: list[Drawn] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    wrapped: int = 0  # lines that were too long
    _at: tuple[int, int] = (0, 0)
    _kept: tuple[int, int] = (0, 0)
    _top: int = 0
    _colours: tuple[Colour, Colour] = (None, None)
    _typed: dict[str, bytes] = field(default_factory=dict)

    @property
    def text(self) -> list[str]:
        """All lines, without the space at their ends."""
        last = max((line for line, _ in self.cells), default=-1)
        found = []
        for line in range(last + 1):
            row = [self.cells.get((line, column), Cell()) for column in range(self.columns)]
            found.append("".join(cell.text for cell in row).rstrip())
        return found

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        pipe: bool = False,
        typed: Mapping[str, bytes] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The exit code of a command that has this terminal, and its stdout where that is a `pipe`.

        Its stdin is the terminal unless there are bytes for it. Somebody has `typed` what is there
        for "", and goes on after the first line that begins as a key does.
        """
        self._typed = dict(typed or {})
        master, slave = pty.openpty()
        width, height = self.cell or (0, 0)
        size = (self.lines, self.columns, self.columns * width, self.lines * height)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size))
        # What is typed is not shown: it would come amid what is being shown.
        modes = termios.tcgetattr(slave)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        own = {key: value for key, value in os.environ.items() if key not in _NAMES}
        process = subprocess.Popen(
            [*_WITH_TERMINAL, os.ttyname(slave), *command],
            stdin=slave if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE if pipe else slave,
            stderr=slave,
            start_new_session=True,
            env={**own, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environ or {})},
        )
        os.close(slave)
        os.write(master, self._typed.pop("", b""))
        watcher = Thread(target=self._watch, args=[master])
        watcher.start()
        out, _ = process.communicate(stdin)
        watcher.join()
        return process.returncode, out or b""

    def _watch(self, master: int) -> None:
        """Until nobody writes any more."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        rest = ""
        try:
            while data := _read(master):
                rest += decoder.decode(data)
                end = 0
                while match := _SEQUENCE.match(rest, end):
                    end = match.end()
                    if said := self._take(match).encode() + self._typing(match["text"]):
                        os.write(master, said)
                rest = rest[end:]  # half a sequence waits for its other half
        finally:
            os.close(master)  # so that nobody waits for one that failed

    def _typing(self, text: str | None) -> bytes:
        if text != "\n" or not self._typed:
            return b""
        line = "".join(self.text[self._at[0] - 1 : self._at[0]])
        key = next((key for key in self._typed if line.startswith(key)), "")
        return self._typed.pop(key, b"")

    def _take(self, match: re.Match[str]) -> str:
        """Do as one sequence says; returns the answer to it."""
        kind, said = next((k, v) for k, v in match.groupdict().items() if v is not None)
        if kind == "text":
            self._write(said)
        elif kind == "arguments":
            return self._control(match["letter"], said)
        elif kind == "keeps":
            if said == "7":
                self._kept = self._at
            else:
                self._at = self._kept
        elif "a=q" in said:
            self.asked.append("kitty")
            return self.answers.get("kitty", "")
        else:
            self.drawn.append(Drawn(kind, said, *self._at))
        return ""

    def _write(self, text: str) -> None:
        line, column = self._at
        if text == "\r":
            column = 0
        elif text == "\n":
            line += 1
            self._top = max(self._top, line - self.lines + 1)
        elif column == self.columns:
            self.wrapped += 1
            for each in ("\r", "\n", text):
                self._write(each)
            return
        else:
            self.cells[line, column] = Cell(text, *self._colours)
            column += 1
        self._at = line, column

    def _control(self, letter: str, arguments: str) -> str:
        line, column = self._at
        if letter in "ctS":
            self.asked.append(letter)
            return self.answers.get(letter, "")
        if letter == "A":
            self._at = max(self._top, line - int(arguments or 1)), column
        elif letter == "K":
            for each in range(0 if arguments == "2" else column, self.columns):
                self.cells.pop((line, each), None)
        elif letter == "m":
            self._colours = _colours(arguments, self._colours)
        else:  # the cursor is shown or hidden
            assert (letter, arguments) in (("h", "?25"), ("l", "?25"))
        return ""


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # so Linux tells that the other end is closed
        return b""


def _colours(arguments: str, before: tuple[Colour, Colour]) -> tuple[Colour, Colour]:
    ink, paper = before
    numbers = [int(number or 0) for number in arguments.split(";")]
    while numbers:
        first = numbers.pop(0)
        if first == 0:
            ink = paper = None
        elif first in (38, 48):
            many = {2: 4, 5: 2}[numbers[0]]
            colour, numbers = tuple(numbers[1:many]), numbers[many:]
            ink, paper = (colour, paper) if first == 38 else (ink, colour)
    return ink, paper
