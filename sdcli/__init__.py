"""Stable Diffusion on the command line, and from Python, with A1111's sampler names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from . import errors
    from .api import load, plan, read_recipe
    from .engine import Engine, Picture, Preview, Step
    from .request import GenerationRequest

__all__ = [
    "Engine",
    "GenerationRequest",
    "Picture",
    "Preview",
    "Step",
    "__version__",
    "errors",
    "load",
    "plan",
    "read_recipe",
]

# Imported when they are asked for: `sdcli --help` must not pay for torch, nor for pydantic.
_HOMES = {
    **dict.fromkeys(("load", "plan", "read_recipe"), "api"),
    **dict.fromkeys(("Engine", "Picture", "Preview", "Step"), "engine"),
    "GenerationRequest": "request",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module(".errors", __name__)
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
