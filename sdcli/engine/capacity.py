"""Owns how many pictures fit into a device's memory at once."""

from __future__ import annotations

import math
from typing import Any

import psutil
import torch

from sdcli.engine.speed.packing import unpacked

_KEPT = 40
"""Numbers that a call of a UNet keeps at most, for each place of its widest layer: measured, 25 for
Stable Diffusion 1 and 38 for the model that ships, where attention makes no table of its own."""

_LARGEST = 2**32  # bytes of one tensor, from which Metal aborts the process (pytorch #143859)
_SHARE = 0.6  # of what is free: the pictures before may be decoded at the same time


def room(unet: Any, device: torch.device, *, height: int, width: int, rows: int) -> float:
    """How many pictures of `height` × `width` pixels the UNet can surely work on at once.

    `rows` is how often a call has each picture: twice with guidance.
    """
    places = (height // 8) * (width // 8)
    numbers = _KEPT * unet.config.block_out_channels[0] * places
    most = math.inf
    if device.type == "mps":  # whose attention does make its table
        heads = unet.config.attention_head_dim
        table = (heads if isinstance(heads, int) else heads[0]) * places**2
        numbers += 2 * table
        most = _LARGEST / (rows * table * unet.dtype.itemsize)
    taken = rows * numbers * unet.dtype.itemsize
    return min(most, _SHARE * (free(device) - unpacked(unet)) / taken)


def free(device: torch.device) -> int:
    """Bytes that can still be had on a device."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        # What the driver has allocated counts freed memory too, which can be had again.
        taken = torch.mps.current_allocated_memory()
        return max(0, torch.mps.recommended_max_memory() - taken)
    return int(psutil.virtual_memory().available)
