"""Owns how options are read off a function: its keyword-only parameters are the legal ones."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any


def option_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only parameters of `function` with their defaults; None where there is none."""
    return {
        name: None if parameter.default is Parameter.empty else parameter.default
        for name, parameter in signature(function).parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    }
