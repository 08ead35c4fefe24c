"""Owns what a UNet is told call by call, by prompts that are edited on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .clip import Conditioning

_REMEMBERED = 4  # with and without negative prompts, before and after an edit


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What one row of a batch is told: each conditioning up to a call, counted from 0."""

    stretches: tuple[tuple[int, Conditioning], ...]

    def at(self, call: int) -> Conditioning:
        """What holds at that call; after the last stretch the first again, as in A1111."""
        first = self.stretches[0][1]
        return next((told for until, told in self.stretches if until >= call), first)

    @property
    def length(self) -> int:
        """In tokens, of all its stretches."""
        return self.stretches[0][1].context.shape[1]

    def padded(self, length: int) -> Line:
        """So long, its last token repeated: how A1111 makes the prompts of one AND alike."""
        if length == self.length:
            return self
        return Line(tuple((until, told.padded(length)) for until, told in self.stretches))


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Rows that are asked together, in order; None for all. Their embeddings have one length.

    `context` (rows, tokens, width), `added` diffusers' further arguments for an SDXL. `keys` tell
    each row, by its number and by what it is told, from all others of the run.
    """

    rows: Tensor | None
    context: Tensor
    added: Mapping[str, Tensor] | None
    keys: tuple[tuple[int, int], ...]

    def of(self, which: Sequence[int]) -> Told:
        """These of its rows."""
        rows = None if self.rows is None else of_rows(self.rows, which)
        added = self.added and {name: of_rows(each, which) for name, each in self.added.items()}
        keys = tuple(self.keys[row] for row in which)
        return Told(rows, of_rows(self.context, which), added, keys)


def of_rows(x: Tensor, which: Sequence[int]) -> Tensor:
    """These of its rows: put together, for an index would have to wait for the device."""
    return torch.cat([x[row : row + 1] for row in which])


class Script:
    """The lines of a batch for a picture of that size in pixels."""

    def __init__(self, lines: Sequence[Line], *, width: int, height: int) -> None:
        self._lines = tuple(lines)
        self._size = width, height
        self._told: dict[tuple[int, ...], list[Told]] = {}

    def at(self, call: int, count: int | None = None) -> list[Told]:
        """What the first `count` lines, or all, tell at that call: together, if lengths allow.

        What was told lately is told again by the same objects, so that it need not be read anew.
        """
        now = [line.at(call) for line in self._lines[:count]]
        key = tuple(map(id, now))
        found = self._told.pop(key, None) or self._grouped(now)
        self._told[key] = found  # the last one used is the last to go
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return found

    @torch.inference_mode()  # at whatever call: compiled code would tell such tensors from others
    def _grouped(self, now: Sequence[Conditioning]) -> list[Told]:
        lengths = list(dict.fromkeys(row.context.shape[1] for row in now))
        groups = [[k for k, row in enumerate(now) if row.context.shape[1] == n] for n in lengths]
        found = []
        for rows in groups:
            told = Conditioning.of([now[k] for k in rows])
            place = None if len(groups) == 1 else torch.tensor(rows, device=told.context.device)
            keys = tuple((k, id(now[k])) for k in rows)  # the lines keep them alive
            found.append(Told(place, told.context, told.added(*self._size), keys))
        return found
