"""Owns the fields of file-name templates: their values, and what of those may be in a name."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from string import Formatter

from .errors import UsageError, did_you_mean
from .request import GenerationRequest

_NUMBERS = ("index", "seed", "steps", "width", "height", "row")
_TEXTS = ("sampler", "scheduler", "model", "prompt", "date", "time", "preset", "hash", "init")
FIELDS: dict[str, object] = {**dict.fromkeys(_NUMBERS, 1), "cfg": 7.5, **dict.fromkeys(_TEXTS, "x")}
"""The template's fields, each with an example that its format is tried on."""

_LONGEST_VALUE = 128  # characters, as A1111 cuts them
_ODD_SPEC = re.compile(r"[{]|\d{4}")  # a field within a field, or a name thousands wide


def template_values(
    request: GenerationRequest, *, model: str, row: int, preset: str
) -> dict[str, object]:
    """The template's fields that the request decides."""
    import hashlib

    return {
        "seed": request.seed,
        "sampler": request.sampler,
        "scheduler": request.resolved_sampler.resolved_schedule.name,
        "steps": request.steps,
        "cfg": request.cfg_scale,
        "width": request.width or 0,
        "height": request.height or 0,
        "model": model,
        "prompt": request.prompt,
        "row": row,
        "preset": preset,
        "init": Path(request.init_img or "").stem,
        "hash": hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:10],
    }


def fields_of(template: str, known: Collection[str] = tuple(FIELDS)) -> set[str]:
    """The fields that a template has. Raises UsageError for one that is not `known`, or misused."""
    try:
        parsed = [
            (name, spec) for _, name, spec, _ in Formatter().parse(template) if name is not None
        ]
    except ValueError as error:
        raise UsageError(f"--output: {template!r}: {error}", "write { as {{") from error
    for name, spec in parsed:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise UsageError(f"--output: unknown field {{{name}}}", hint)
        if _ODD_SPEC.search(spec or ""):
            raise UsageError(f"--output: {template!r}: bad format {spec!r} of {{{name}}}")
    try:
        template.format(**FIELDS)
    except (ValueError, TypeError) as error:
        raise UsageError(f"--output: {template!r}: {error}") from error
    return {name for name, _ in parsed}


def sanitised(value: str) -> str:
    """A value that is safe as part of a file name everywhere; "_" if nothing is left of it."""
    clean = re.sub(r"""[#<>:"/\\|?*\x00-\x1f\x7f]""", "_", value).lstrip(" ")[:_LONGEST_VALUE]
    return clean.rstrip(" .") or "_"


def cut_to(name: str, most: int) -> str:
    """The name in at most so many bytes, with no character cut in two."""
    return name.encode()[:most].decode(errors="ignore")
