"""The peak that arithmetic is held against: a large product, timed here and now."""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
from torch.nn import functional

from .clock import clock

_SIDES = {"cuda": 8192, "mps": 4096, "cpu": 2048}
_TRIES = 10
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.inference_mode()
def peak(device: str, dtype: str, *, side: int | None = None) -> float:
    """FLOPs a second of the best of a few products; on a CPU, of oneDNN's packed ones as well."""
    kind = torch.device(device).type
    side = side or _SIDES[kind]
    x, weight = (torch.randn(side, side, device=device).to(DTYPES[dtype]) for _ in range(2))
    ways: list[Callable[[], object]] = [lambda: functional.linear(x, weight)]
    if kind == "cpu" and _packs(dtype):
        onednn = torch.ops.mkldnn
        packed = onednn._reorder_linear_weight(weight, side)
        ways.append(lambda: onednn._linear_pointwise(x, packed, None, "none", [], ""))
    timed = clock(device)
    for way in ways:
        way()
    best = min(timed(way).value for _ in range(_TRIES) for way in ways)
    return float(2 * side**3 / best)


def _packs(dtype: str) -> bool:
    here = platform.machine().lower() in ("x86_64", "amd64")
    if not here or not torch.backends.mkldnn.is_available() or dtype == "fp16":
        return False
    return dtype == "fp32" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
