"""The engine: weights and torch. Everything else in sdcli works without it."""

from .engine import Engine
from .run import Picture, Run, Step

__all__ = ["Engine", "Picture", "Run", "Step"]
