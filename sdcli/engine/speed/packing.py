"""Layers whose weights lie as oneDNN reads them: turned round once, not at every call."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.nn import functional

from sdcli.engine.device import Placement
from sdcli.engine.weights.pages import let_go

_ONEDNN: Any = torch.ops.mkldnn
_SMALL = 1024  # places of a map


def pack(network: nn.Module, placement: Placement) -> None:
    """Let a network's layers pack their weights at their first call, where that pays.

    torch's own layers have oneDNN turn a weight round at every call, which at Stable Diffusion's
    sizes takes a fifth of a step in bf16; and products of float32 they give to Intel's MKL, which
    takes up to 1.6 times as long as oneDNN on processors of other makers. The numbers are the same
    up to rounding.
    """
    modules: Iterable[Any] = network.modules() if packs(placement) else ()
    for module in modules:
        if type(module) is nn.GroupNorm:
            module.__class__ = SmallGroupNorm
        elif type(module) in _PACKED:
            _pack_layer(module, placement.dtype)


def _pack_layer(layer: Any, dtype: torch.dtype) -> None:
    point = getattr(layer, "kernel_size", None) == (1, 1)
    layer.__class__ = PackedPointwise if point else _PACKED[type(layer)]
    layer.dtype = dtype


def packs(placement: Placement) -> bool:
    """Return whether packing pays on that device, in that number format."""
    here = (
        platform.machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available()
    )
    if placement.device.type != "cpu" or not here or not _works():
        return False
    if placement.dtype == torch.bfloat16:
        return bool(_ONEDNN._is_mkldnn_bf16_supported())
    return placement.dtype == torch.float32


# torch's own, under names that it may change: whoever lacks one goes on with torch's layers.
_NEEDED = (
    *("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported"),
    *("_reorder_convolution_weight", "_convolution_pointwise", "_nbytes", "data_ptr"),
)


@cache
def _works() -> bool:
    """Return whether torch has what packing needs, and packed layers give what plain ones do."""
    if not all(hasattr(_ONEDNN, name) for name in _NEEDED):
        return False
    x = torch.linspace(-1, 1, 64).reshape(1, 4, 4, 4)
    plain_ones: list[Any] = [nn.Linear(4, 4), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1)]
    try:
        for layer in plain_ones:
            for parameter in layer.parameters():
                parameter.requires_grad_(False)
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
            expected = layer(x)
            _pack_layer(layer, torch.float32)
            if not torch.allclose(layer(x), expected, atol=1e-5):
                return False
    except (RuntimeError, TypeError):  # another signature than the one that is known here
        return False
    return True


def plain(layer: nn.Module) -> Tensor:
    """Return a layer's weight as torch lays it, however it lies now, in the layer's format."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if weight.is_mkldnn:
        weight = weight.to_dense()
        weight = weight[..., None, None] if isinstance(layer, PackedPointwise) else weight
    return weight.to(layer.dtype) if isinstance(layer, Packed) else weight


def unpack(network: nn.Module, dtype: torch.dtype) -> None:
    """Give a network's layers plain weights of that format, as which torch can move them.

    They are packed again at the next call.
    """
    for layer in network.modules():
        if isinstance(layer, Packed):
            layer.dtype = dtype
            layer.weight = nn.Parameter(plain(layer), requires_grad=False)
            layer.of_file = None  # which would keep what was packed of it


def unpacked(network: nn.Module) -> int:
    """Count bytes that a network's packed weights will still take: plain ones may be the file's."""
    layers: Iterator[Any] = (each for each in network.modules() if isinstance(each, Packed))
    weights = ((layer.weight, layer.dtype) for layer in layers)
    return sum(w.numel() * dtype.itemsize for w, dtype in weights if not w.is_mkldnn)


def release(network: nn.Module) -> None:
    """Give up what a network's layers have packed of their file's weights, until they are called.

    What was put there since, a LoRA's, stays.
    """
    for layer in network.modules():
        if isinstance(layer, Packed) and layer.of_file and layer.weight is layer.of_file[1]:
            layer.weight = layer.of_file[0]
            layer.of_file = None
            vars(layer).pop("_kept", None)


class Packed(nn.Module):
    """A layer on a CPU that answers in `dtype`.

    Its `weight` is brought into that and packed at the next call, whatever is put there. So one
    that is still the file's own takes no memory until then, and never lies in memory twice.
    """

    dtype: torch.dtype
    of_file: tuple[nn.Parameter, nn.Parameter] | None = None
    """The file's own weight, which takes no memory, and what was packed of it."""


class PackedLinear(Packed, nn.Linear):
    """An nn.Linear."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiply as nn.Linear does."""
        return _product(x, self)


class PackedPointwise(Packed, nn.Conv2d):
    """An nn.Conv2d of one place, which is such a product."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve as nn.Conv2d does; what comes out has its channels last."""
        return _product(x.permute(0, 2, 3, 1), self).permute(0, 3, 1, 2)


def _product(x: Tensor, layer: PackedLinear | PackedPointwise) -> Tensor:
    if not layer.weight.is_mkldnn:
        # The number of rows that one tells oneDNN was seen to make no difference to the packing.
        _keep(layer, _ONEDNN._reorder_linear_weight(plain(layer).flatten(1), 1024))
    answer: Tensor = _ONEDNN._linear_pointwise(x, layer.weight, layer.bias, "none", [], "")
    return answer


def _keep(layer: PackedLinear | PackedPointwise | PackedConv2d, packed: Tensor) -> None:
    plain_one, own = layer.weight, nn.Parameter(packed, requires_grad=False)
    layer.weight = own
    if let_go(plain_one):
        vars(layer)["of_file"] = plain_one, own


class PackedConv2d(Packed, nn.Conv2d):
    """Any other nn.Conv2d.

    How oneDNN wants a weight depends on the shape of what it meets; a weight that lies otherwise
    is turned round at every call, and slowly. So there is a packing for every shape, but most
    share one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve as nn.Conv2d does; what comes out has its channels last."""
        padding = self.padding
        if self.padding_mode != "zeros":
            x = functional.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0, 0)
        where = padding, self.stride, self.dilation, self.groups
        weight = self._packed(x.shape, where)
        answer: Tensor = _ONEDNN._convolution_pointwise(
            x, weight, self.bias, *where, "none", [], ""
        )
        return answer

    def _packed(self, shape: Size, where: tuple[Any, ...]) -> Tensor:
        packings = self.__dict__.get("_kept")
        if packings is None or packings.of is not self.weight:  # another was put in its place
            packings = self.__dict__["_kept"] = _Packings(self.weight)
        met = shape, where[0]  # --tiling pads by itself, and takes the padding away
        if met not in packings.by_shape:
            packed = _ONEDNN._reorder_convolution_weight(plain(self), *where, shape)
            alike = (other for other in packings.by_shape.values() if _lie_alike(other, packed))
            packings.by_shape[met] = next(alike, packed)
            if not packings.of.is_mkldnn:
                _keep(self, packed)
                packings.of = self.weight
        return packings.by_shape[met]


_PACKED: dict[type, type[Packed]] = {nn.Linear: PackedLinear, nn.Conv2d: PackedConv2d}


@dataclass(slots=True)
class _Packings:
    """Of one weight, for each shape and padding that was met."""

    of: Tensor
    by_shape: dict[tuple[Size, Any], Tensor] = field(default_factory=dict)


def _lie_alike(one: Tensor, other: Tensor) -> bool:
    """Compare two packings of one weight byte by byte, for torch compares none of them."""
    size = _ONEDNN._nbytes(one)
    if size != _ONEDNN._nbytes(other):
        return False
    addresses = (_ONEDNN.data_ptr(packed) for packed in (one, other))
    held = [(ctypes.c_uint8 * size).from_address(address) for address in addresses]
    return torch.equal(*(torch.frombuffer(each, dtype=torch.uint8) for each in held))


class SmallGroupNorm(nn.GroupNorm):
    """An nn.GroupNorm on a CPU, whose way with channels last is slow for small maps in bf16."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize as nn.GroupNorm does."""
        slow = x.dtype == torch.bfloat16 and x[0, 0].numel() < _SMALL
        return super().forward(x.contiguous() if slow else x)
