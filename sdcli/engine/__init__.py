"""The engine: weights and torch. Everything else in sdcli works without it."""

from .engine import Engine
from .hires import TwoPasses
from .picture import Picture, Preview, Step
from .run import Run
from .tiled import Tiled

__all__ = ["Engine", "Picture", "Preview", "Run", "Step", "Tiled", "TwoPasses"]
