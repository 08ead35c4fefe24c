"""Owns linear layers on CPUs where MKL is slow: in float32 they go through oneDNN."""

from __future__ import annotations

import platform
from pathlib import Path

import torch
from torch import Tensor, nn

from .device import Placement

_WORTH = 2**24  # products; with fewer of them oneDNN's door costs more than it saves


class OneDnnLinear(nn.Linear):
    """An nn.Linear of float32 on a CPU, with the same numbers up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """As nn.Linear's."""
        if x.numel() * self.out_features < _WORTH:
            return super().forward(x)
        answer: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, "none", [], ""
        )
        return answer


def quicken(network: nn.Module, placement: Placement) -> None:
    """Let a network's linear layers go the quickest way.

    Intel's MKL, which torch multiplies float32 by, takes up to 1.6 times as long as oneDNN on
    processors of other makers.
    """
    slow = placement.device.type == "cpu" and placement.dtype == torch.float32
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    if slow and both and not _from_intel():
        for module in network.modules():
            if type(module) is nn.Linear:
                module.__class__ = OneDnnLinear


def _from_intel() -> bool:
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "Intel" in platform.processor()
