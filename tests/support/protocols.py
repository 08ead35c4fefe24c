"""Reading back what the protocols of terminals for pictures carry."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from io import BytesIO


def from_kitty(messages: Sequence[str]) -> tuple[dict[str, str], BytesIO]:
    """What the first of a picture's messages says, and the file that all of them are."""
    heads, data = [], ""
    for message in messages:
        head, _, part = message.partition(";")
        assert len(part) <= 4096
        heads.append(dict(pair.split("=") for pair in head.split(",")))
        data += part
    assert [head["m"] for head in heads] == ["1"] * (len(heads) - 1) + ["0"]
    assert all(head.keys() == {"m"} for head in heads[1:])
    return heads[0], BytesIO(b64decode(data, validate=True))


def from_iterm2(message: str) -> tuple[dict[str, str], BytesIO]:
    """What the message says, and the file in it."""
    head, _, data = message.partition(":")
    said = dict(pair.split("=") for pair in head.split(";"))
    return said, BytesIO(b64decode(data, validate=True))


def from_sixel(message: str) -> tuple[tuple[int, int], dict[tuple[int, int], tuple[int, ...]]]:
    """The size that it says, and the colour of each pixel, in per cent."""
    declared = re.match(r'0;1;0q"1;1;(\d+);(\d+)', message)
    assert declared is not None
    return (int(declared[1]), int(declared[2])), dict(_pixels(message[declared.end() :]))


def _pixels(message: str) -> Iterator[tuple[tuple[int, int], tuple[int, ...]]]:
    palette: dict[str, tuple[int, ...]] = {}
    colour: tuple[int, ...] = ()
    x = top = 0
    words = r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~$-])"
    assert not re.sub(words, "", message)
    for new, red, green, blue, old, many, run, one in re.findall(words, message):
        if new:
            palette[new] = int(red), int(green), int(blue)
        elif old:
            colour = palette[old]
        elif one == "$":
            x = 0
        elif one == "-":
            x, top = 0, top + 6
        else:
            bits = ord(run or one) - ord("?")
            rows = [top + bit for bit in range(6) if bits >> bit & 1]
            start, x = x, x + int(many or 1)
            yield from (((column, row), colour) for column in range(start, x) for row in rows)
