"""The choice of device and number format, and the words for saying what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sdcli.errors import OutOfMemory, UsageError

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the weights live and in what number format. The sampler's state is always float32."""

    device: torch.device
    dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        """fp16, bf16 or fp32."""
        return next(name for name, dtype in DTYPES.items() if dtype == self.dtype)

    @property
    def device_name(self) -> str:
        """cpu, mps, or cuda:N with the card's name."""
        if self.device.type != "cuda":
            return self.device.type
        return f"{self.device} ({torch.cuda.get_device_name(self.device)})"

    def __str__(self) -> str:
        return f"{self.device_name}, {self.dtype_name}"


def choose(device: str, dtype: str) -> Placement:
    """Choose device and dtype: auto is cuda, else mps, else cpu, and fp16 on a GPU, fp32 on a CPU.

    Raises UsageError for a device that is not there.
    """
    available = _available()
    chosen = torch.device(available[0] if device == "auto" else device)
    if chosen.type not in available:
        raise UsageError(
            f"--device: torch {torch.__version__} cannot use {device} here",
            f"available: {', '.join(available)}",
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device: there is no {device}", f"there are {torch.cuda.device_count()} CUDA devices"
        )
    if dtype == "auto":
        return Placement(chosen, torch.float32 if chosen.type == "cpu" else torch.float16)
    return Placement(chosen, DTYPES[dtype])


def counts_in_bf16(placement: Placement) -> bool:
    """Return whether this CPU, asked for fp32, has instructions to multiply bf16 twice as fast."""
    if placement.device.type != "cpu" or placement.dtype != torch.float32:
        return False
    capabilities: Callable[[], dict[str, Any]]
    capabilities = getattr(torch.cpu, "get_capabilities", dict)  # older versions do not tell
    able = capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def prepare(placement: Placement) -> None:
    """Let an NVIDIA card multiply float32 in TF32, for the whole process, as A1111 does."""
    if placement.device.type == "cuda":
        # By the newer `fp32_precision` alone the getters of these would raise in the whole process,
        # torch.get_float32_matmul_precision() among them (pytorch #166387).
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor that is about to be freed to the device.

    Without waiting on CUDA, whose driver has read pageable memory before the call returns. Metal
    reads it later, when something else may lie there (pytorch #139550, #189690).
    """
    return tensor.to(device, non_blocking=device.type == "cuda")


def one_thread(device: torch.device) -> bool:
    """Return whether two threads that use the device at once abort the process.

    Metal's do, without an exception (pytorch #197805, #197836).
    """
    return device.type == "mps"


def _available() -> list[str]:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, here in available.items() if here] + ["cpu"]


def describe_devices() -> dict[str, str]:
    """Describe what torch can run on here, a line a device."""
    devices = {}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        devices[f"cuda:{index}"] = (
            f"{properties.name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        )
    if torch.backends.mps.is_available():
        devices["mps"] = "Metal"
    devices["cpu"] = f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    return devices


_LESS = "try a smaller --batch-size or size"
_OUT_OF_MEMORY = (
    "can't allocate memory",  # a CPU
    *("MPS backend out of memory", "Invalid buffer size"),  # Metal; the second of a single tensor
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),  # CUDA's libraries
)
"""What torch's plain RuntimeErrors say where there is no torch.OutOfMemoryError."""


@contextmanager
def memory_errors(doing: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors into ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"out of memory while {doing}", _LESS) from error
    except RuntimeError as error:
        if not any(text in str(error) for text in _OUT_OF_MEMORY):
            raise
        raise OutOfMemory(f"out of memory while {doing}", _LESS) from error
