"""Styles: words that a name adds to prompts, from A1111's `styles.csv`; and its comments."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdcli.errors import UsageError, did_you_mean

_PLACE = "{prompt}"


@dataclass(frozen=True, slots=True)
class Style:
    """What a name adds to the prompt and to the negative prompt."""

    name: str
    prompt: str
    negative_prompt: str


def read_styles(path: Path) -> dict[str, Style]:
    """Read a file's styles by name, the last of a name winning, as in A1111. Raises UsageError.

    Columns name, prompt (`text` in the oldest files) and negative_prompt; rows whose name begins
    with # are none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True, skipinitialspace=True))
    except OSError as error:
        raise UsageError(f"--styles-file: cannot read {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"--styles-file: {path} is not a table of styles: {error}") from error
    styles: dict[str, Style] = {}
    for row in rows:
        name = row.get("name")
        if name and not name.startswith("#"):
            prompt = row.get("prompt") or row.get("text") or ""
            styles[name] = Style(name, prompt, row.get("negative_prompt") or "")
    return styles


def named(name: str, known: dict[str, Style]) -> Style:
    """Return the style of that name. Raises UsageError."""
    if name in known:
        return known[name]
    alike = [each for each in known.values() if each.name.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    hint = did_you_mean(name, known) or (
        f"there are {', '.join(sorted(known))}" if known else "--styles-file styles.csv"
    )
    raise UsageError(f"--style: there is no style {name!r}", hint)


def styled(prompt: str, added: Iterable[str]) -> str:
    """Put the words of styles into the prompt: in the place of `{prompt}`, or at the end."""
    for text in added:
        if _PLACE in text:
            prompt = text.replace(_PLACE, prompt)
        else:
            prompt = ", ".join(filter(None, (prompt.strip(), text.strip())))
    return prompt


def without_comments(prompt: str) -> str:
    """Remove comments, from a # to the end of its line, and lines that are then empty."""
    return re.sub(r"^[ \t]*#[^\n]*\n|#[^\n]*", "", prompt, flags=re.MULTILINE)
