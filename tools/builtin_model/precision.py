"""Mixed precision: weights stay in full precision, the arithmetic of training runs in bfloat16."""

import torch

from .settings import Settings


def mixed(device: torch.device, settings: Settings) -> torch.autocast:
    """A context for forward passes; backward passes follow what it chose."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=settings.bfloat16)
