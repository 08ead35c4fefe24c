"""Text to conditioning: what every family's text encoders give, and how they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from sdcli.errors import UsageError
from sdcli.prompts.emphasis import Emphasis


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What a network is given beside latents and timestep, one prompt a row.

    `context` (rows, tokens, width) is attended to. `pooled` (rows, width) sums a prompt up; None
    where the family has no such vector. `extras` are further tensors that its backbone takes, by
    its own names for them, each (rows, …).
    """

    context: Tensor
    pooled: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Conditioning]) -> Conditioning:
        """Put all rows beneath one another. Raises UsageError for prompts of different lengths."""
        if len({row.length for row in rows}) > 1:
            raise UsageError("prompts made at once must fill the same number of 75-token chunks")
        pooled = [row.pooled for row in rows if row.pooled is not None]
        return cls(
            torch.cat([row.context for row in rows]),
            torch.cat(pooled) if pooled else None,
            {name: torch.cat([row.extras[name] for row in rows]) for name in rows[0].extras},
        )

    @property
    def length(self) -> int:
        """In tokens."""
        return self.context.shape[1]

    def padded(self, length: int) -> Conditioning:
        """Repeat the last token up to that length."""
        rest = self.context[:, -1:].expand(-1, length - self.length, -1)
        return replace(self, context=torch.cat([self.context, rest], dim=1))

    def zeros(self) -> Conditioning:
        """Return the same shapes, all zero: what SDXL was trained with in the place of no text."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return replace(self, context=torch.zeros_like(self.context), pooled=pooled)

    def select(self, rows: Sequence[int]) -> Conditioning:
        """Return these of its rows."""
        return Conditioning(
            select_rows(self.context, rows),
            None if self.pooled is None else select_rows(self.pooled, rows),
            {name: select_rows(extra, rows) for name, extra in self.extras.items()},
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all of them by name; `with_tensors` puts others of their shapes in their place."""
        pooled = {} if self.pooled is None else {"pooled": self.pooled}
        return {"context": self.context, **pooled, **self.extras}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Conditioning:
        """Return the same with these, by the names of `tensors`."""
        extras = {name: tensors[name] for name in self.extras}
        return Conditioning(tensors["context"], tensors.get("pooled"), extras)


def select_rows(x: Tensor, rows: Sequence[int]) -> Tensor:
    """Put these rows of x together: an index would have to wait for the device."""
    return torch.cat([x[row : row + 1] for row in rows])


class TextEncoder(Protocol):
    """A model's text encoders together, whatever they are made of."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the token vectors that `learn` takes, one for each encoder; () where it takes none."""
        ...

    def __call__(
        self, text: str, *, skip: int = 1, negative: bool = False, emphasis: Emphasis = "original"
    ) -> Conditioning:
        """Return the row of a text that stands alone."""
        return self.encode((text,), skip=skip, negative=negative, emphasis=emphasis)[0]

    def encode(
        self,
        texts: tuple[str, ...],
        *,
        skip: int = 1,
        negative: bool = False,
        emphasis: Emphasis = "original",
    ) -> list[Conditioning]:
        """Return a row for each text that one prompt is in turn, all of one length.

        `skip` is A1111's clip skip, for encoders that heed it; a `negative` prompt that is empty
        may mean something else than an empty prompt.
        """
        ...

    def learn(self, name: str, vectors: Sequence[Tensor]) -> None:
        """Let `name` stand for these vectors, (tokens, width) for each encoder, in every text.

        Raises UsageError where that cannot be.
        """
        ...

    def forget(self) -> None:
        """Encode every text anew: the weights are others."""
        ...

    def release(self) -> None:
        """Give up the device's memory until another text is to be read."""
        ...
