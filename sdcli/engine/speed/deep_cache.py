"""DeepCache: a network's last layer alone, on what an earlier call has left to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdcli.engine.backbones import Shallow
from sdcli.engine.text import Conditioning, select_rows
from sdcli.engine.text.schedule import ConditioningGroup

Predict = Callable[[Tensor, Tensor, Conditioning], Tensor]
_Key = tuple[bool, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Cached:
    """What entered the last layer for a row, (1, channels, height, width), at that call."""

    hidden: Tensor
    call: int


class DeepCache:
    """A run's calls of a network, of which those between every `interval`-th are shallow.

    Ma et al. 2023, with the outermost branch. What a call leaves belongs to a row and to its
    conditioning: each row has all of the network run where nothing is left of it, or nothing so
    young, so that it is made beside others as alone.
    """

    def __init__(self, shallow: Shallow, predict: Predict, interval: int) -> None:
        self._shallow = shallow
        self._predict = predict
        self._interval = interval
        self._cached: dict[_Key, _Cached] = {}
        self._call = 0
        self._perturbed = False

    def begin(self, call: int, *, perturbed: bool) -> None:
        """Begin that call, counted from 0, and let go what is too old for it.

        With `perturbed` attention it leaves something of its own.
        """
        self._call, self._perturbed = call, perturbed
        since = call - self._interval
        self._cached = {key: entry for key, entry in self._cached.items() if entry.call > since}

    def __call__(self, x: Tensor, t: Tensor, group: ConditioningGroup) -> Tensor:
        """Return the network's output for x (rows, …) at timesteps t (rows,), all of the group."""
        known = [key in self._cached for key in self._keys(group)]
        if all(known):
            return self._shallow_call(x, t, group)
        if not any(known):
            return self._whole_call(x, t, group)
        outputs: dict[int, Tensor] = {}
        for call, of_those in ((self._shallow_call, True), (self._whole_call, False)):
            rows = [row for row, is_known in enumerate(known) if is_known is of_those]
            output = call(select_rows(x, rows), select_rows(t, rows), group.select(rows))
            outputs |= zip(rows, output.split(1), strict=True)
        return torch.cat([outputs[row] for row in range(len(x))])

    def _shallow_call(self, x: Tensor, t: Tensor, group: ConditioningGroup) -> Tensor:
        hidden = torch.cat([self._cached[key].hidden for key in self._keys(group)])
        with self._shallow.alone(hidden):
            return self._predict(x, t, group.conditioning)

    def _whole_call(self, x: Tensor, t: Tensor, group: ConditioningGroup) -> Tensor:
        with self._shallow.entering() as entered:
            output = self._predict(x, t, group.conditioning)
        rows = zip(self._keys(group), entered[0].split(1), strict=True)
        self._cached |= {key: _Cached(row, self._call) for key, row in rows}
        return output

    def _keys(self, group: ConditioningGroup) -> list[_Key]:
        return [(self._perturbed, *key) for key in group.keys]

    def forget(self) -> None:
        """Let go all that was left."""
        self._cached.clear()


@dataclass(frozen=True, slots=True)
class LastLayer:
    """The last layer of a UNet, as DeepCache's Shallow."""

    unet: Any

    def entering(self) -> AbstractContextManager[list[Tensor]]:
        """Do as `entering_last_layer` does."""
        return entering_last_layer(self.unet)

    def alone(self, hidden: Tensor) -> AbstractContextManager[None]:
        """Do as `last_layer_alone` does."""
        return last_layer_alone(self.unet, hidden)


@contextmanager
def entering_last_layer(unet: Any) -> Iterator[list[Tensor]]:
    """Collect what enters the UNet's last layer at each call, without what conv_in gave for it."""
    entering: list[Tensor] = []
    skipped = unet.conv_in.out_channels

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # A copy, so that the whole of it need not be kept.
        entering.append(inputs[0][:, :-skipped].clone())

    hook = unet.up_blocks[-1].resnets[-1].register_forward_pre_hook(note)
    try:
        yield entering
    finally:
        hook.remove()


@contextmanager
def last_layer_alone(unet: Any, hidden: Tensor) -> Iterator[None]:
    """Cut the UNet down to its last layer, which `hidden` enters, in this context.

    Its own forward runs still, so what stands around its blocks, time's embedding and conv_out
    and what accelerate has hung onto it, is as ever.
    """
    last = unet.up_blocks[-1]
    cut = {
        (unet, "down_blocks"): nn.ModuleList(),
        (unet, "mid_block"): _Fixed(hidden),
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


class _Fixed(nn.Module):
    """In the place of the middle block: the same output whatever its input."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self._hidden = hidden

    def forward(self, *_: Any, **__: Any) -> Tensor:
        """Return it."""
        return self._hidden
