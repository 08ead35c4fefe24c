"""What made a picture, whatever program did: its settings as fields of a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdcli.images.formats import read_chunks
from sdcli.request.infotext import read_text, to_values

from .comfyui import comfyui_values
from .invokeai import invokeai_values, old_invokeai_values

_Read = Callable[[str], tuple[dict[str, Any], dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The fields that a picture's text sets, what in it cannot be honoured, and the text.

    `settings` are A1111's own, by its keys, where it or a program that writes as it does made it.
    """

    values: Mapping[str, Any]
    rest: Mapping[str, str]
    text: str
    settings: Mapping[str, str] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe | None:
    """Return the recipe in a picture's file, None if there is none that sdcli knows.

    A1111's and those of the programs that write as it does (Forge, stable-diffusion.cpp, sdcli);
    InvokeAI's; ComfyUI's nodes. Raises UsageError for a file or a recipe that is damaged.
    """
    chunks = read_chunks(path)
    if text := chunks.get("parameters"):
        taken = read_text(text)
        return Recipe(*to_values(taken), text, taken.settings)
    for name, read in _READERS.items():
        if text := chunks.get(name):
            return Recipe(*read(text), text)
    return None


_READERS: Mapping[str, _Read] = {
    "invokeai_metadata": invokeai_values,
    "sd-metadata": old_invokeai_values,
    "prompt": comfyui_values,
}
