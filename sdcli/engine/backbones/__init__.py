"""The networks that predict: each kind behind one call, and what may be done to its blocks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from sdcli.engine.text import Conditioning
from sdcli.errors import UsageError

T = TypeVar("T")


class Shallow(Protocol):
    """For DeepCache: a network cut down to its last layer, and what enters that."""

    def entering(self) -> AbstractContextManager[list[Tensor]]:
        """Let each whole call in this context append what enters the last layer, (rows, …)."""
        ...

    def alone(self, hidden: Tensor) -> AbstractContextManager[None]:
        """Let calls in this context run the last layer alone, on what entered it in another."""
        ...


class Merger(Protocol):
    """For token merging: a share of the tokens attends together with others."""

    def within(self, height: int, width: int) -> AbstractContextManager[None]:
        """Merge the tokens of calls in this context, which are of latents of that size."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network's blocks allow; None, False or empty where they do not.

    Whoever changes blocks, or records calls of them, asks here first and works with what it gets.
    `token_merging` takes the share of tokens that is merged away, 0 to 1. `perturbed_attention`
    opens a stretch in which chosen layers attend to nothing but themselves. `compiled_blocks` are
    worth compiling one by one. `graphs`: calls do the same work whenever shapes are the same.
    """

    deep_cache: Shallow | None = None
    token_merging: Callable[[float], Merger] | None = None
    perturbed_attention: Callable[[], AbstractContextManager[None]] | None = None
    compiled_blocks: tuple[type[nn.Module], ...] = ()
    graphs: bool = False


class Backbone(Protocol):
    """A network that predicts, whatever it is made of."""

    @property
    def name(self) -> str:
        """What people call such a network."""
        ...

    @property
    def network(self) -> Any:
        """The module itself: LoRAs, padding, packing and places in memory are a matter of it."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What its blocks allow."""
        ...

    def prepare(self, conditioning: Conditioning, *, width: int, height: int) -> Conditioning:
        """Add the extras that the network takes for a picture of that size in pixels."""
        ...

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """Return its output for x (rows, channels, height, width) at training timesteps t (rows,).

        x is scaled as the noise path's `model_input`, in the network's format; t is float32. The
        output has x's format, and the shape of latents.
        """
        ...

    def numbers(self, places: int) -> int:
        """Return how many numbers a call keeps at most per row, for latents of so many places.

        `attention_table`, which some devices make besides, is not among them.
        """
        ...

    def attention_table(self, places: int) -> int:
        """Return how many numbers per row the largest table of all pairs of places would have."""
        ...


def required(capability: T | None, flag: str, backbone: Backbone) -> T:
    """Return a capability that a flag needs. Raises UsageError where the network lacks it."""
    if not capability:
        raise UsageError(
            f"{flag}: this model's {backbone.name} does not support it",
            f"leave {flag} out",
        )
    return capability
