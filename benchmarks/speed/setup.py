"""How a side of a race is set up, and what all sides are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

PROMPT = "a red house in the snow at night"
GUIDANCE = 7.5

EAGER, COMPILED, GRAPHS, BOTH = "eager", "compiled", "graphs", "compiled graphs"


class Model(NamedTuple):
    """What to call a model, where it is, and the size of its pictures."""

    name: str
    folder: str
    size: int


@dataclass(frozen=True, slots=True)
class Setup:
    """Whose networks, of what model, where and how; `size` is that of its pictures."""

    who: str
    model: str
    device: str
    dtype: str
    size: int
    mode: str = EAGER
