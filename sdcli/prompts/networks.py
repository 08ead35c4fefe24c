"""Owns the tags of a prompt that name networks: `<lora:NAME:STRENGTH>`, as A1111 has them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sdcli.errors import UsageError

_TAG = re.compile(r"<(\w+):([^<>]*)>")
_KNOWN = {"lora": "lora", "lyco": "lora"}
_REFUSED = {"hypernet": "hypernetworks"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A LoRA by name, and its strengths in the text encoders and the UNet (1 is as trained)."""

    name: str
    text: float = 1.0
    unet: float = 1.0


def split(prompt: str) -> tuple[str, list[Tag]]:
    """The prompt without its tags, and the tags.

    Raises UsageError for a kind of network that sdcli does not have, and a strength that is no
    number.
    """
    tags: list[Tag] = []

    def take(match: re.Match[str]) -> str:
        kind = match[1]
        if kind in _REFUSED:
            raise UsageError(f"sdcli has no {_REFUSED[kind]}, so {match[0]} cannot be honoured")
        if kind not in _KNOWN:
            return match[0]  # no tag but text
        tags.append(parse(match[2]))
        return ""

    return _TAG.sub(take, prompt), tags


def parse(text: str) -> Tag:
    """NAME, NAME:STRENGTH or NAME:TEXT:UNET; also named, as te= and unet=. Raises UsageError."""
    name, *rest = text.split(":")
    strengths: dict[str, float] = {}
    order = iter(("te", "unet"))
    for part in rest:
        key, mark, value = part.rpartition("=")
        key = key.strip() if mark else next(order, "")
        if key not in ("te", "unet"):
            raise UsageError(f"LoRA {text!r}: {part!r} is nothing that sdcli knows", "NAME:0.8")
        try:
            strengths[key] = float(value)
        except ValueError as error:
            raise UsageError(f"LoRA {text!r}: {value!r} is no number", "NAME:0.8") from error
    if not name.strip():
        raise UsageError(f"LoRA {text!r} has no name", "NAME:0.8")
    te = strengths.get("te", 1.0)
    return Tag(name.strip(), te, strengths.get("unet", te))


def tagged(prompt: str, loras: Iterable[str]) -> str:
    """The prompt with a tag for each `NAME[:STRENGTH]` after it. Raises UsageError."""
    found = [prompt, *(f"<lora:{text}>" for text in loras if parse(text))]
    return " ".join(filter(None, found))
