"""Reading TOML: what would keep Python's reader busy for ever, or fell it, is refused."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

_DEEPEST = 100  # parts of a key; the reader's time grows with their square
# Text and comments. What is never closed reaches to the end: the reader stops there anyway.
_WORDS = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? (?: \"{3,5} | \Z )
    | '{3} .*? (?: '{3,5} | \Z )
    | " (?: \\. | [^"\\\n] )* "?
    | ' [^'\n]* '?
    | \# [^\n]*
    """,
    re.VERBOSE | re.DOTALL,
)
_LONG = re.compile(r"0[xob][\da-fA-F_]{100}")  # which Python reads, and cannot write


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text sets.

    Raises ValueError for one that is none, and for what no file of ours has: keys of more than 100
    parts, hundreds of brackets in one another, hexadecimal numbers of more than 100 digits.
    """
    bare = _WORDS.sub("", text)
    if any(part.count(".") > _DEEPEST for part in re.split(r"[\n=,{}\[\]]", bare)):
        raise ValueError(f"a key has more than {_DEEPEST} parts")
    if _LONG.search(bare):
        raise ValueError("a number has more than 100 digits")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deep") from error


def to_toml(key: str, value: Any) -> str:
    """Format one `key = value` line. Strings are escaped as in JSON, which TOML reads alike."""
    if isinstance(value, str):
        return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return f"{key} = {str(value).lower()}"
    return f"{key} = {_written(value)!r}"


def _written(value: Any) -> Any:
    """Return lists as such; sizes, rectangles and the like in the form that users type."""
    if not isinstance(value, tuple):
        return value
    return str(value) if hasattr(value, "_fields") else [_written(each) for each in value]
