"""What machine and what packages a table was measured with."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path


def facts(device: str) -> dict[str, str | int]:
    """The processor's name, threads, versions, and the device's name."""
    import torch

    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "device": card,
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
    }


def device_of(asked: str) -> str:
    """The device that "auto" stands for: a card before Metal before the processor."""
    import torch

    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
