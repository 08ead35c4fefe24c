"""One line of a text file of prompts: a prompt, A1111's options, or sdcli's own flags."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from sdcli.errors import UsageError, did_you_mean
from sdcli.request import GenerationRequest
from sdcli.request.fields import flags_of
from sdcli.request.settings import Settings

ROW_SETTINGS = ("count", "style")
"""What of the settings a row may have for itself."""

# A1111's names for what sdcli calls otherwise.
_A1111 = {
    "sd-model": "model",
    "sampler-name": "sampler",
    "subseed": "variation_seed",
    "subseed-strength": "variation_strength",
    "styles": "style",
}
_RESIZED = ("seed-resize-from-w", "seed-resize-from-h")
_COUNTS = ("batch-size", "n-iter")  # pictures at once, and how often
_MOST = 100_000  # characters of a line; shlex's time grows with the square of a word's length
_WORDS = ("prompt", "negative_prompt")  # take all words up to the next option
# What A1111 takes and sdcli does not do; saying no to it is no harm.
_REFUSED = (
    *("outpath-samples", "outpath-grids", "prompt-for-display", "sampler-index"),
    *("restore-faces", "do-not-save-samples", "do-not-save-grid"),
)


def values_of(line: str) -> dict[str, Any]:
    """Return the fields that a line sets. Raises UsageError for an option that nobody knows.

    A line without "--" is a prompt to the letter. Else it is read as a shell would: words, and
    options of A1111's "prompts from file" or of `sdcli gen`, with hyphens or underscores.
    """
    if "--" not in line:
        return {"prompt": line.strip()}
    if len(line) > _MOST:
        raise UsageError(
            f"a line has more than {_MOST:,} characters", "use JSON lines for longer ones"
        )
    try:
        words = deque(shlex.split(line))
    except ValueError as error:
        raise UsageError(f"{str(error).lower()}: {line}", "close the quotes") from error
    values: dict[str, Any] = {}
    rest = _taken_while(words, lambda word: not _is_option(word))
    if rest:
        values["prompt"] = " ".join(rest)
    while words:
        name, joined, value = words.popleft().partition("=")
        if joined:
            words.appendleft(value)
        for key, found in _option(name, words, joined=bool(joined)).items():
            if key in values:
                raise UsageError(f"{name}: {key.removeprefix('_')} is given twice")
            values[key] = found
    resized, counts = _taken_out(values, _RESIZED), _taken_out(values, _COUNTS)
    if len(resized) == 1:
        raise UsageError(f"--{_RESIZED[0]} and --{_RESIZED[1]} go together")
    if resized and all(resized):
        values["seed_resize"] = f"{resized[0]}x{resized[1]}"
    if counts and "count" in values:
        raise UsageError(f"--count does not work with --{_COUNTS[0]} or --{_COUNTS[1]}")
    return values | ({"count": prod(counts)} if counts else {})


def _taken_out(values: dict[str, Any], names: Sequence[str]) -> list[int]:
    return [values.pop(f"_{name}") for name in names if f"_{name}" in values]


def _is_option(word: str) -> bool:
    """Return whether a word is an option: --steps, -s and -n, but not -1."""
    return word.startswith("--") or word in _SHORT


def _taken_while(words: deque[str], wanted: Callable[[str], bool]) -> list[str]:
    taken = []
    while words and wanted(words[0]):
        taken.append(words.popleft())
    return taken


def _option(name: str, words: deque[str], *, joined: bool) -> dict[str, Any]:
    """Return what one option sets; its value is taken off the words."""
    bare = name.removeprefix("--").replace("_", "-")
    key = _SHORT.get(name) or _A1111.get(bare) or _FLAGS.get(bare)
    if key in _WORDS:
        if joined:
            return {key: words.popleft()}
        return {key: " ".join(_taken_while(words, lambda word: not _is_option(word)))}
    if key in _SWITCHES:
        has_value = joined or (words and words[0] in ("true", "false"))
        word = words.popleft().lower() if has_value else "true"
        if word not in ("true", "false"):
            raise UsageError(f"{name}: must be true or false, got {word!r}")
        return {key: word == "true"}
    known = key is not None or bare in (*_COUNTS, *_RESIZED, *_REFUSED)
    if not known:
        near = did_you_mean(name, [f"--{flag}" for flag in (*_A1111, *_FLAGS)])
        raise UsageError(f"unknown option {name}", near)
    if not words or (_is_option(words[0]) and not joined):
        raise UsageError(f"{name}: its value is missing")
    value = words.popleft()
    if bare in _REFUSED:
        if value.lower() == "false":
            return {}
        raise UsageError(f"{name}: sdcli does not support it", "leave it out")
    if bare in (*_COUNTS, *_RESIZED):
        if not value.isdecimal() or len(value) > 9:
            raise UsageError(f"{name}: must be a whole number up to 999999999, got {value!r}")
        return {f"_{bare}": int(value)}
    assert key is not None
    return {key: (value,)} if key in _LISTS else {key: value}


def _own_flags() -> Mapping[str, Any]:
    settings = {key: flag for key, flag in flags_of(Settings).items() if key in ROW_SETTINGS}
    return flags_of(GenerationRequest) | settings


_KEYS = {name: key for key, flag in _own_flags().items() for name in flag.names}
_FLAGS = {name.removeprefix("--"): key for name, key in _KEYS.items() if name.startswith("--")}
_FLAGS |= {"size": "size", "preset": "preset"}
_SHORT = {name: key for name, key in _KEYS.items() if not name.startswith("--")}
_SWITCHES = {
    key for key, field in GenerationRequest.model_fields.items() if field.annotation is bool
}
_LISTS = {key for key, flag in _own_flags().items() if flag.repeatable}
