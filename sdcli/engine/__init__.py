"""The engine: weights and torch. Everything else in sdcli works without it."""

from .engine import Engine
from .hires import TwoPasses
from .picture import Picture, Step
from .run import Run
from .tiled import Tiled

__all__ = ["Engine", "Picture", "Run", "Step", "Tiled", "TwoPasses"]
