"""The names of a component's weight files, and which of them are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sdcli.errors import ModelError

# As diffusers and transformers write them (diffusers' `variant_compatible_siblings`): the variant
# stands before a shard's number, and after it in files of diffusers before 0.32.
_NAME = re.compile(
    r"""
    (?P<stem>diffusion_pytorch_model|pytorch_model|model)
    (?:\.(?P<variant>[^.-]+))?
    (?:-(?P<shard>\d{5})-of-(?P<count>\d{5}))?
    (?:\.(?P<late_variant>[^.-]+))?
    \.(?P<ending>safetensors|bin)
    """,
    re.VERBOSE,
)
# Other variants, such as non_ema, are other weights.
_PRECISIONS = ("", "fp32", "fp16", "bf16")


@dataclass(frozen=True, slots=True)
class _Set:
    """All weights of a component once, in one file or in several."""

    stem: str
    variant: str
    ending: str
    count: int

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """The lower, the better."""
        known = self.variant in _PRECISIONS
        precision = _PRECISIONS.index(self.variant) if known else 0
        return (not known, self.ending == "bin", precision, self.variant)


def choose(names: Iterable[str]) -> list[str]:
    """Return which of a folder's files are its weights, once: no variant of them besides.

    The same weights come before others (`non_ema`), safetensors before .bin, full precision before
    half. Files of other programs (Flax, OpenVINO) are none. Raises ModelError for a shard that
    is missing.
    """
    sets: dict[_Set, dict[int, str]] = {}
    names = sorted(names)
    for name in names:
        if match := _NAME.fullmatch(name):
            variant = match["variant"] or match["late_variant"] or ""
            key = _Set(match["stem"], variant, match["ending"], int(match["count"] or 1))
            sets.setdefault(key, {})[int(match["shard"] or 1)] = name
    if not sets:
        others = [name for name in names if name.endswith(".safetensors")]
        return others if len(others) == 1 else []
    best = min(sets, key=lambda key: (key.rank, len(sets[key]) < key.count, key.stem, key.count))
    missing = [number for number in range(1, best.count + 1) if number not in sets[best]]
    if missing:
        raise ModelError(
            f"part {missing[0]} of {best.count} of {best.stem} is missing", "download it again"
        )
    return [sets[best][number] for number in range(1, best.count + 1)]
