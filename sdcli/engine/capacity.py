"""How many pictures fit into a device's memory at once."""

from __future__ import annotations

import math

import psutil
import torch

from sdcli.engine.backbones import Backbone
from sdcli.engine.speed.packing import unpacked

_LARGEST = 2**32  # bytes of one tensor, from which Metal aborts the process (pytorch #143859)
_SHARE = 0.6  # of what is free: the pictures before may be decoded at the same time


def room(backbone: Backbone, device: torch.device, *, places: int, rows: int) -> float:
    """Return how many pictures of so many latent places the backbone can surely work on at once.

    `rows` is how often a call has each picture: twice with guidance.
    """
    numbers, most = backbone.numbers(places), math.inf
    if device.type == "mps":  # whose attention does make its table
        table = backbone.attention_table(places)
        numbers += 2 * table
        most = _LARGEST / (rows * table * backbone.dtype.itemsize)
    taken = rows * numbers * backbone.dtype.itemsize
    return min(most, _SHARE * (free(device) - unpacked(backbone.network)) / taken)


def free(device: torch.device) -> int:
    """Return how many bytes can still be had on a device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type == "mps":
        # What the driver has allocated counts freed memory too, which can be had again.
        taken = torch.mps.current_allocated_memory()
        return max(0, torch.mps.recommended_max_memory() - taken)
    return int(psutil.virtual_memory().available)
