"""Keeping weights in the computer's memory, on their way to the device only when used."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from torch import nn

from sdcli.errors import UsageError


def place(networks: Sequence[nn.Module], device: torch.device, *, offload: str) -> None:
    """Put the networks, which are on the CPU, where they run on `device`.

    `none`: there for good. `model`: each whole network when it is called, until the next one is.
    `sequential`: each layer when it is called, the least memory and the slowest. Raises UsageError
    where there is nothing to spare.
    """
    if offload != "none" and device.type == "cpu":
        raise UsageError(
            f"--offload {offload} saves GPU memory, and this runs on the CPU",
            "leave --offload out",
        )
    hook = None
    for network in networks:
        if offload == "model":
            network, hook = cpu_offload_with_hook(network, device, prev_module_hook=hook)
        elif offload == "sequential":
            cpu_offload(network, device, offload_buffers=True)
        elif device.type != "cpu":
            network.to(device)
