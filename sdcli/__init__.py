"""Stable Diffusion on the command line, and from Python, with A1111's sampler names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from sdcli.request import GenerationRequest

    from .engine import Engine, Picture

__all__ = ["Engine", "GenerationRequest", "Picture", "__version__"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `sdcli --help` must not pay for torch, nor for pydantic.
    if name == "GenerationRequest":
        from sdcli.request import GenerationRequest

        return GenerationRequest
    if name in {"Engine", "Picture"}:
        from . import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
