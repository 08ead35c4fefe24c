"""What is fuzzed: each reader of other people's files, and what may come of its reading."""

from __future__ import annotations

import codecs
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from sdcli.errors import SdcliError
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources.layers import Layer, merge
from sdcli.sources.recipes import read_recipe
from sdcli.sources.recipes.comfyui import comfyui_values
from sdcli.sources.recipes.invokeai import invokeai_values, old_invokeai_values
from sdcli.sources.rows import FORMATS, Format, rows_of
from sdcli.sources.seeds import expand, parse_seeds, with_variation_seed

CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
"""The kinds of chunk that the target "chunk" puts into a PNG; its first byte says which."""

_HEADER = 33  # bytes of a PNG before its second chunk
_RUNS = ("exec", "compile", "pickle.find_class", "os.", "subprocess.", "socket.", "shutil.")


class Ran(BaseException):
    """A reader ran something, or wrote a file. No `except Exception` hides it."""


def read(target: str, data: bytes, file: Path) -> bool:
    """Let a reader read as a command would; whether it took what it was given.

    SdcliError says that it did not, which is well. All else that it raises is a fault, and is
    raised; so is Ran. `file` is overwritten by those targets that read pictures.
    """
    try:
        with _nothing_runs(file):
            TARGETS[target](data, file)
    except SdcliError as error:
        str(error)
        return False
    return True


_allowed: Path | None = None  # the one file that may be written, where a reader is watched


@contextmanager
def _nothing_runs(file: Path) -> Iterator[None]:
    """Raise Ran at whatever is run or written, but for that file."""
    global _allowed
    _allowed = file
    try:
        yield
    finally:
        _allowed = None


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if _allowed is None:
        return
    writes = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR) and args[0] != str(_allowed)
    if writes or event.startswith(_RUNS):
        raise Ran(f"{event} {args}")


sys.addaudithook(_watch)  # Python takes no hook away again
# What would else be imported, and thereby run, while a reader is watched.
Image.init()
for _codec in ("utf-16-le", "utf-16-be"):
    codecs.lookup(_codec)


def _picture_text(data: bytes, file: Path) -> None:
    _planned(to_values(read_text(_text(data)))[0])


def _json(reader: Callable[[str], tuple[Mapping[str, Any], Any]], data: bytes, file: Path) -> None:
    _planned(reader(_text(data))[0])


def _batch(how: Format, data: bytes, file: Path) -> None:
    rows, problems = rows_of(_text(data), how, "file")
    for row in rows:
        assert all(isinstance(name, str) for name in row.presets)
        with problems.gather():
            _planned({key: value for key, value in row.values.items() if key != "preset"})
    problems.raise_if_any()


def _picture(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    if recipe := read_recipe(file):
        _planned(recipe.values)


def _chunk(data: bytes, file: Path) -> None:
    """A PNG with one chunk more, its checksum right, which mutations of a file hardly come by."""
    body = CHUNKS[data[0] % len(CHUNKS)] + data[1:] if data else CHUNKS[0]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    _picture(_plain()[:_HEADER] + chunk + _plain()[_HEADER:], file)


@cache
def _plain() -> bytes:
    buffer = BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    return buffer.getvalue()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _planned(values: Mapping[str, Any]) -> None:
    """What a command makes of them: its settings, and a request for each picture."""
    merged = merge([Layer("file", values)])
    seeds = parse_seeds(merged.values.get("seed", -1))
    settings = validate(Settings, merged.values, merged)
    whole = with_variation_seed({**merged.values, "seed": seeds[0]})
    expand(validate(GenerationRequest, whole, merged), seeds[:9], count=min(settings.count, 9))


TARGETS: Mapping[str, Callable[[bytes, Path], None]] = {
    "text": _picture_text,
    "comfyui": partial(_json, comfyui_values),
    "invokeai": partial(_json, invokeai_values),
    "old-invokeai": partial(_json, old_invokeai_values),
    **{how: partial(_batch, how) for how in FORMATS},
    "picture": _picture,
    "chunk": _chunk,
}
"""Every reader by its name."""
