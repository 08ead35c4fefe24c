"""What a batch is conditioned on call by call, by prompts that are edited on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from . import Conditioning, select_rows

_REMEMBERED = 4  # with and without negative prompts, before and after an edit


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What one row of a batch is conditioned on: each part up to a call, counted from 0."""

    stretches: tuple[tuple[int, Conditioning], ...]

    def at(self, call: int) -> Conditioning:
        """Return what holds at that call; after the last stretch the first again, as in A1111."""
        first = self.stretches[0][1]
        return next((row for until, row in self.stretches if until >= call), first)

    @property
    def length(self) -> int:
        """In tokens, of all its stretches."""
        return self.stretches[0][1].length

    def padded(self, length: int) -> Line:
        """Repeat its last token up to that length: so A1111 makes the prompts of one AND alike."""
        if length == self.length:
            return self
        return Line(tuple((until, row.padded(length)) for until, row in self.stretches))


@dataclass(frozen=True, slots=True, eq=False)
class ConditioningGroup:
    """Rows of a batch that one call of the network takes together: their prompts have one length.

    `rows` (n,) are their places among all, None where these are all. `keys` tell each row, by its
    number and by its conditioning, from all others of the run.
    """

    rows: Tensor | None
    conditioning: Conditioning
    keys: tuple[tuple[int, int], ...]

    def select(self, which: Sequence[int]) -> ConditioningGroup:
        """Return these of its rows."""
        rows = None if self.rows is None else select_rows(self.rows, which)
        keys = tuple(self.keys[row] for row in which)
        return ConditioningGroup(rows, self.conditioning.select(which), keys)


class Script:
    """The lines of a batch. `prepare` adds what the network wants beside the text (Backbone)."""

    def __init__(
        self,
        lines: Sequence[Line],
        prepare: Callable[[Conditioning], Conditioning] = lambda conditioning: conditioning,
    ) -> None:
        self._lines = tuple(lines)
        self._prepare = prepare
        self._groups: dict[tuple[int, ...], list[ConditioningGroup]] = {}

    def at(self, call: int, count: int | None = None) -> list[ConditioningGroup]:
        """Return what the first `count` lines, or all, say at that call: as one, if lengths allow.

        The same objects are given again for a while, so that networks need not read them anew.
        """
        now = [line.at(call) for line in self._lines[:count]]
        key = tuple(map(id, now))
        groups = self._groups.pop(key, None) or self._grouped(now)
        self._groups[key] = groups  # the last one used is the last to go
        if len(self._groups) > _REMEMBERED:
            del self._groups[next(iter(self._groups))]
        return groups

    @torch.inference_mode()  # at whatever call: compiled code would tell such tensors from others
    def _grouped(self, now: Sequence[Conditioning]) -> list[ConditioningGroup]:
        lengths = list(dict.fromkeys(row.length for row in now))
        places = [[k for k, row in enumerate(now) if row.length == n] for n in lengths]
        groups = []
        for rows in places:
            conditioning = Conditioning.of([now[k] for k in rows])
            device = conditioning.context.device
            place = None if len(places) == 1 else torch.tensor(rows, device=device)
            keys = tuple((k, id(now[k])) for k in rows)  # the lines keep them alive
            groups.append(ConditioningGroup(place, self._prepare(conditioning), keys))
        return groups
