"""Owns DeepCache: a UNet's last layer alone, on what an earlier call has left to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdcli.engine.text.schedule import Told, of_rows

Ask = Callable[[Tensor, Tensor, Told], Tensor]
_Key = tuple[bool, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """What entered the last layer for a row, (1, channels, height, width), at that call."""

    hidden: Tensor
    call: int


class Reuse:
    """A run's calls of a UNet, of which those between every `interval`-th are shallow.

    Ma et al. 2023, with the outermost branch. What a call leaves belongs to a row and to what that
    is told: each row has all of the UNet run where nothing is left of it, or nothing so young, so
    that it is made beside others as alone. `interval` 1 leaves every call as it is.
    """

    def __init__(self, unet: Any, ask: Ask, interval: int) -> None:
        self._unet = unet
        self._ask = ask
        self._interval = interval
        self._left: dict[_Key, _Left] = {}
        self._call = 0
        self._perturbed = False

    def begin(self, call: int, *, perturbed: bool) -> None:
        """What follows belongs to that call, counted from 0; what is too old for it is let go.

        With `perturbed` attention it leaves something of its own.
        """
        self._call, self._perturbed = call, perturbed
        since = call - self._interval
        self._left = {key: left for key, left in self._left.items() if left.call > since}

    def __call__(self, x: Tensor, t: Tensor, told: Told) -> Tensor:
        """What the UNet says of x at the timesteps t, which has all rows of `told`."""
        if self._interval == 1:
            return self._ask(x, t, told)
        known = [key in self._left for key in self._keys(told)]
        if all(known):
            return self._shallow(x, t, told)
        if not any(known):
            return self._whole(x, t, told)
        said: dict[int, Tensor] = {}
        for ask, of_those in ((self._shallow, True), (self._whole, False)):
            rows = [row for row, is_known in enumerate(known) if is_known is of_those]
            answer = ask(of_rows(x, rows), of_rows(t, rows), told.of(rows))
            said |= zip(rows, answer.split(1), strict=True)
        return torch.cat([said[row] for row in range(len(x))])

    def _shallow(self, x: Tensor, t: Tensor, told: Told) -> Tensor:
        hidden = torch.cat([self._left[key].hidden for key in self._keys(told)])
        with last_layer_alone(self._unet, hidden):
            return self._ask(x, t, told)

    def _whole(self, x: Tensor, t: Tensor, told: Told) -> Tensor:
        with entering_last_layer(self._unet) as seen:
            said = self._ask(x, t, told)
        rows = zip(self._keys(told), seen[0].split(1), strict=True)
        self._left |= {key: _Left(row, self._call) for key, row in rows}
        return said

    def _keys(self, told: Told) -> list[_Key]:
        return [(self._perturbed, *key) for key in told.keys]

    def forget(self) -> None:
        """Let go all that was left."""
        self._left.clear()


@contextmanager
def entering_last_layer(unet: Any) -> Iterator[list[Tensor]]:
    """Within, what enters the UNet's last layer at each call, without what conv_in gave for it."""
    seen: list[Tensor] = []
    skipped = unet.conv_in.out_channels

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        # A copy, so that the whole of it need not be kept.
        seen.append(given[0][:, :-skipped].clone())

    hook = unet.up_blocks[-1].resnets[-1].register_forward_pre_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def last_layer_alone(unet: Any, hidden: Tensor) -> Iterator[None]:
    """Within, the UNet is cut down to its last layer, which `hidden` enters.

    Its own forward runs still, so what stands around its blocks, time's embedding and conv_out
    and what accelerate has hung onto it, is as ever.
    """
    last = unet.up_blocks[-1]
    cut = {
        (unet, "down_blocks"): nn.ModuleList(),
        (unet, "mid_block"): _Given(hidden),
        (unet, "up_blocks"): unet.up_blocks[-1:],
    }
    layers = [name for name in ("resnets", "attentions") if hasattr(last, name)]
    cut |= {(last, name): getattr(last, name)[-1:] for name in layers}
    whole = {(owner, name): getattr(owner, name) for owner, name in cut}
    try:
        for (owner, name), part in cut.items():
            setattr(owner, name, part)
        yield
    finally:
        for (owner, name), part in whole.items():
            setattr(owner, name, part)


class _Given(nn.Module):
    """In the place of the middle block, whatever it is asked."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self._hidden = hidden

    def forward(self, *_: Any, **__: Any) -> Tensor:
        """What was given."""
        return self._hidden
