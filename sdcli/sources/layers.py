"""How settings from several places become one request: defaults < config < preset < picture
< environment < flags, each value remembering where it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdcli.errors import UsageError, did_you_mean, raise_all
from sdcli.files.toml import parse_toml
from sdcli.request import GenerationRequest
from sdcli.request.options import LISTED, SCHEDULE_OPTIONS
from sdcli.request.settings import Settings
from sdcli.sampling import AUTOMATIC, split_name

REQUEST_KEYS = frozenset(GenerationRequest.model_fields)
ALL_KEYS = REQUEST_KEYS | frozenset(Settings.model_fields)


@dataclass(frozen=True, slots=True)
class Layer:
    """Some keys set in one place. `lines` gives a key's line where the place is a file."""

    source: str
    values: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """Return how an error names the place: "--steps", or "preset film.toml, line 3: steps"."""
        if not self.source:
            return "--" + key.replace("_", "-")
        line = f", line {self.lines[key]}" if key in self.lines else ""
        return f"{self.source}{line}: {key}"


@dataclass(frozen=True, slots=True)
class Merged:
    """The winning value of each key, and the layer that set it."""

    values: Mapping[str, Any]
    origins: Mapping[str, Layer]

    def where(self, key: str) -> str:
        """Return the place that set `key`, for an error message."""
        return self.origins.get(key, Layer("", {})).where(key)


def read_toml(path: Path, source: str, *, keys: Iterable[str], also: Iterable[str] = ()) -> Layer:
    """Return the flat TOML file at `path` as a layer. Keys in `also` are legal but left out of it.

    Raises UsageError for a file that cannot be read, is no TOML, or has an unknown key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = parse_toml(text)
    except OSError as error:
        raise UsageError(f"{source}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no UTF-8 or no TOML
        raise UsageError(f"{source}: {path} is not valid TOML: {error}") from error
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if match := _KEY.match(line):
            lines.setdefault(match[1], number)
    known, legal = set(keys), {*keys, *also}
    place = Layer(source, values, lines)
    raise_all(
        [
            UsageError(f"{place.where(key)}: unknown key in {path}", did_you_mean(key, legal))
            for key in values
            if key not in legal
        ]
    )
    return Layer(source, {k: v for k, v in values.items() if k in known}, lines)


def merge(layers: Sequence[Layer]) -> Merged:
    """Merge layers, of which later ones win. A combined sampler name sets the schedule as well."""
    values: dict[str, Any] = {}
    rank: dict[str, int] = {}
    for position, layer in enumerate(layers):
        for key, value in layer.values.items():
            values[key], rank[key] = value, position
    if {"sampler", "scheduler"} <= values.keys() and isinstance(values["sampler"], str):
        sampler, suffix = split_name(values["sampler"])
        if sampler and suffix != AUTOMATIC and rank["scheduler"] != rank["sampler"]:
            if rank["scheduler"] > rank["sampler"]:
                values["sampler"] = sampler.name
            else:
                del values["scheduler"]
    for (
        key
    ) in LISTED:  # noise levels listed in one layer take the place of a schedule in lower ones
        if values.get(key):
            for idle in ("steps", "scheduler", *SCHEDULE_OPTIONS):
                if rank.get(idle, len(layers)) < rank[key]:
                    del values[idle]
    for one, other in _EITHER_OR:
        if values.get(one) and values.get(other) and rank[one] != rank[other]:
            del values[one if rank[one] < rank[other] else other]
    return Merged(values, {key: layers[rank[key]] for key in values})


# Said in two layers, the upper one is meant; in one layer they contradict each other.
_EITHER_OR = (("hires_scale", "hires_size"), ("sigmas", "timesteps"))
_KEY = re.compile(r"""\s*(?:\[+\s*)?["']?([\w-]+)["']?\s*[]=.]""")
