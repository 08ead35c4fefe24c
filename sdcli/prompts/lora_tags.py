"""The tags of a prompt that name networks: `<lora:NAME:STRENGTH>`, as A1111 has them."""

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
    """Return the prompt without its tags, and those of them that are LoRAs.

    As in A1111 a tag of an unknown kind goes too; `unknown` names them. Raises UsageError for
    hypernetworks, which sdcli does not have, and a strength that is no number.
    """
    tags: list[Tag] = []

    def take(match: re.Match[str]) -> str:
        kind = match[1]
        if kind in _REFUSED:
            raise UsageError(
                f"sdcli does not support {_REFUSED[kind]}, so {match[0]} cannot be used"
            )
        if kind in _KNOWN:
            tags.append(parse(match[2]))
        return ""

    return _TAG.sub(take, prompt), tags


def unknown(prompt: str) -> list[str]:
    """Return the tags of unknown kinds, as they stand in the prompt."""
    kinds = _KNOWN.keys() | _REFUSED.keys()
    return [match[0] for match in _TAG.finditer(prompt) if match[1] not in kinds]


def parse(text: str) -> Tag:
    """Parse NAME, NAME:STRENGTH or NAME:TEXT:UNET, or named: te= and unet=. Raises UsageError."""
    name, *rest = text.split(":")
    strengths: dict[str, float] = {}
    order = iter(("te", "unet"))
    for part in rest:
        key, mark, value = part.rpartition("=")
        key = key.strip() if mark else next(order, "")
        if key not in ("te", "unet"):
            raise UsageError(f"LoRA {text!r}: cannot read {part!r}", "NAME:0.8")
        try:
            strengths[key] = float(value)
        except ValueError as error:
            raise UsageError(f"LoRA {text!r}: {value!r} is not a number", "NAME:0.8") from error
    if not name.strip():
        raise UsageError(f"LoRA {text!r} has no name", "NAME:0.8")
    te = strengths.get("te", 1.0)
    return Tag(name.strip(), te, strengths.get("unet", te))


def tagged(prompt: str, loras: Iterable[str]) -> str:
    """Return the prompt with a tag for each `NAME[:STRENGTH]` after it. Raises UsageError."""
    parts = [prompt, *(f"<lora:{text}>" for text in loras if parse(text))]
    return " ".join(filter(None, parts))
