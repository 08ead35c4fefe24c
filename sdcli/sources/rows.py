"""Reading a batch file: its rows, whatever its format, each with the place where it stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdcli.errors import Problems, UsageError, did_you_mean
from sdcli.files.toml import parse_toml
from sdcli.request.fields import parse_size
from sdcli.request.options import names_of

from .layers import REQUEST_KEYS
from .prompt_lines import ROW_SETTINGS, values_of

Format = Literal["txt", "jsonl", "csv", "toml"]
FORMATS: tuple[Format, ...] = ("txt", "jsonl", "csv", "toml")
KEYS = REQUEST_KEYS | {*ROW_SETTINGS, "preset", "size"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line where it begins, and the fields that it sets, `preset` names among them."""

    line: int
    values: Mapping[str, Any]

    @property
    def presets(self) -> tuple[str, ...]:
        """The presets that it names."""
        return names_of(self.values.get("preset"))


def format_of(path: Path) -> Format:
    """Return the format of a file's ending. Raises UsageError for an unknown one."""
    ending = path.suffix.lower().removeprefix(".")
    for known in FORMATS:
        if ending == known or (known, ending) == ("jsonl", "ndjson"):
            return known
    raise UsageError(
        f"{path} does not have the ending of a batch file",
        "give its format: --input-format txt, jsonl, csv or toml",
    )


def format_of_text(start: str) -> Format:
    """Tell the format by how a text begins, where there is no name."""
    return {"{": "jsonl", "[": "toml"}.get(start.lstrip()[:1], "txt")  # type: ignore[return-value]


def read_rows(path: Path, how: Format | None = None) -> tuple[list[Row], Problems]:
    """Return all good rows of a file, and what is wrong with the others.

    Raises UsageError for a file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error}", "save it as UTF-8") from error
    return rows_of(text, how or format_of(path), str(path))


def rows_of(text: str, how: Format, name: str, *, first: int = 1) -> tuple[list[Row], Problems]:
    """Return the same of a text, its lines numbered from `first`; errors call the file `name`."""
    problems = Problems()
    rows: list[Row] = []
    for place, read in _READERS[how](text, name):
        line = place + first - 1
        with problems.gather():
            try:
                values = read()
                if values is not None:
                    rows.append(Row(line, checked(values)))
            except UsageError as error:
                raise UsageError(f"{name}, line {line}: {error.message}", error.hint) from error
    return rows, problems


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row: all of them known, its size taken apart. Raises UsageError."""
    for key in values:
        if key not in KEYS:
            raise UsageError(f"unknown key {key!r}", did_you_mean(str(key), KEYS))
    fields = {key: value for key, value in values.items() if value is not None}
    if fields.get("preset", []) != [] and not names_of(fields["preset"]):
        raise UsageError("preset: must be a name, or a list of names")
    if "size" in fields:
        if fields.keys() & {"width", "height"}:
            raise UsageError("size contradicts width and height")
        size = fields.pop("size")
        if not isinstance(size, str):
            raise UsageError("size: must be a string", "write it as 512x768")
        width, height = parse_size(size)
        fields |= {"width": width, "height": height}
    return fields


_Read = Callable[[], Mapping[str, Any] | None]
_Lines = Iterator[tuple[int, _Read]]


def _text_lines(text: str, name: str) -> _Lines:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, lambda line=line: values_of(line)  # type: ignore[misc]


def _json_lines(text: str, name: str) -> _Lines:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, lambda line=line: _object(line)  # type: ignore[misc]


def _object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError("not a JSON object", '{"prompt": "a fox", "steps": 30}')
    return found


def _csv_rows(text: str, name: str) -> _Lines:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    before = 0
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if len(set(header)) < len(header):
            raise UsageError(f"{name}: a column appears twice")
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if any(cell.strip() for cell in cells):
                yield line, lambda cells=cells: _cells(header, cells)  # type: ignore[misc]
    except csv.Error as error:
        raise UsageError(f"{name}, line {before + 1}: not valid CSV: {error}") from error


def _cells(header: list[str], cells: list[str]) -> Mapping[str, Any]:
    """Return the cells that are not empty, by their columns."""
    if len(cells) > len(header):
        raise UsageError(f"there are {len(cells)} cells for {len(header)} columns")
    return {key: cell for key, cell in zip(header, cells, strict=False) if cell.strip()}


def _toml_rows(text: str, name: str) -> _Lines:
    try:
        content = parse_toml(text)
    except ValueError as error:
        raise UsageError(f"{name} is not valid TOML: {error}") from error
    if unknown := content.keys() - {"defaults", "picture"}:
        raise UsageError(f"{name}: unknown table {min(unknown)!r}", "[defaults], [[picture]]")
    defaults, pictures = content.get("defaults", {}), content.get("picture", [])
    if not isinstance(defaults, dict) or not isinstance(pictures, list):
        raise UsageError(f"{name}: a table is of the wrong kind", "[defaults], [[picture]]")
    lines = enumerate(text.split("\n"), start=1)
    begins = [number for number, line in lines if line.strip() == "[[picture]]"]
    begins += [1] * (len(pictures) - len(begins))  # those written in another way
    for line, picture in zip(begins, pictures, strict=False):
        yield line, lambda picture=picture: _table(defaults, picture)  # type: ignore[misc]


def _table(defaults: Mapping[str, Any], picture: Any) -> Mapping[str, Any]:
    if not isinstance(picture, dict):
        raise UsageError("a picture must be a table", "[[picture]]")
    return {**defaults, **picture}


_READERS: Mapping[Format, Callable[[str, str], _Lines]] = {
    "txt": _text_lines,
    "jsonl": _json_lines,
    "csv": _csv_rows,
    "toml": _toml_rows,
}
