"""A request from Python's own values: pictures in memory, LoRAs by name, a seed that is drawn."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sdcli.errors import UsageError, did_you_mean

from .request import GenerationRequest
from .validate import validate

if TYPE_CHECKING:
    from PIL.Image import Image

Source: TypeAlias = "str | os.PathLike[str] | Image"
"""A picture: its file, or the picture itself."""

IN_MEMORY = "memory:"
"""How the name of a picture begins that is in no file; what follows tells it from others."""

RANDOM_SEEDS = 4294967294
"""A1111 draws its random seeds below this."""


def random_seed() -> int:
    """Draw a seed as A1111 does."""
    return random.randrange(RANDOM_SEEDS)


@dataclass(frozen=True, slots=True)
class _Keywords:
    def where(self, key: str) -> str:
        """Name the argument."""
        return key


def build_request(
    prompt: str,
    *,
    init_image: Source | None = None,
    mask: Source | None = None,
    loras: Mapping[str, float] | None = None,
    **settings: Any,
) -> GenerationRequest:
    """Build a request of a prompt and the fields of GenerationRequest.

    `init_image` and `mask` are files or PIL images, `loras` strengths by name or path. A missing
    seed, or -1, is drawn. Raises UsageErrors with all that is wrong.
    """
    known = GenerationRequest.model_fields
    for key in settings:
        if key not in known:
            names = [*known, "init_image", "loras"]
            raise UsageError(f"there is no setting {key!r}", did_you_mean(key, names))
    values: dict[str, Any] = {**settings, "prompt": prompt}
    pictures: dict[str, Image] = {}
    for field, source in (("init_img", init_image), ("mask", mask)):
        if source is not None:
            values[field] = _named(source, pictures)
    if loras:
        values["lora"] = tuple(f"{name}:{strength}" for name, strength in loras.items())
    for key in ("seed", "variation_seed"):
        wanted = key == "seed" or values.get("variation_strength")
        if wanted and values.get(key, -1) in (-1, None):
            values[key] = random_seed()
    request = validate(GenerationRequest, values, _Keywords())
    return request.with_pictures(pictures) if pictures else request


def _named(source: Source, pictures: dict[str, Image]) -> str:
    """Return the name by which the request finds a picture."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    content = f"{source.mode} {source.size} ".encode() + source.tobytes()
    name = IN_MEMORY + hashlib.sha256(content).hexdigest()[:12]
    pictures[name] = source
    return name
