"""What torch's own table of operators tells of each: its kernel for Metal, its check of devices.

The table is the `native_functions.yaml` that torch ships for torchgen, so it is that of the torch
that is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torchgen
import yaml

_COMPOSITE = ("CompositeImplicitAutograd",)
_EXPLICIT = ("CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")


@dataclass(frozen=True, slots=True)
class Operator:
    """One overload of `name`: how Metal has it, and whether CUDA's generated code checks devices.

    `metal` is "kernel", "composite" (of others), "explicit" (one body for all devices, whose calls
    decide) or "none". `checked` is False where the operator sees to its tensors' devices itself, as
    those of TensorIterator do.
    """

    name: str
    metal: str
    checked: bool


@cache
def operator(overload: Any) -> Operator:
    """That of an OpOverload; those which torchgen makes of others have one body for all devices."""
    name = overload._schema.name.removeprefix("aten::")
    full = name if overload._overloadname == "default" else f"{name}.{overload._overloadname}"
    return operators().get(full, Operator(name.rpartition("::")[2], "explicit", checked=True))


@cache
def operators() -> Mapping[str, Operator]:
    """Every overload by its name, "add.Tensor"."""
    path = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"
    text = path.read_text(encoding="utf-8")
    entries = {
        entry["func"].partition("(")[0]: entry
        for entry in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    }
    return {
        name: Operator(
            name.partition(".")[0],
            _metal(entry, entries),
            checked=entry.get("device_check") != "NoCheck",
        )
        for name, entry in entries.items()
    }


def _metal(entry: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]) -> str:
    if "structured_delegate" in entry:
        entry = entries[entry["structured_delegate"]]
    dispatch = entry.get("dispatch")
    if dispatch is None:
        return "composite"
    keys = {key.strip() for several in dispatch for key in several.split(",")}
    if "MPS" in keys:
        return "kernel"
    if keys.intersection(_COMPOSITE):
        return "composite"
    return "explicit" if keys.intersection(_EXPLICIT) else "none"
