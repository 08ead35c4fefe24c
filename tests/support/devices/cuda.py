"""CUDA's habits: what it says where a tensor of the CPU meets one of the card.

Sources: `compute_types` in aten/src/ATen/TensorIterator.cpp; the `device_check` of each operator in
native_functions.yaml, by which torchgen generates the others' checks; #n is pytorch/pytorch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from devices.pretended import Call, Device, Refused
from torch import Tensor

_INDEXED = {"index", "index_put_", "_index_put_impl_", "index_put"}
_GIB = 2**30


class Cuda(Device):
    """An NVIDIA card."""

    kind = "cuda"

    @contextmanager
    def here(self) -> Iterator[None]:
        """As torch tells where there is one; 24 GiB."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.cuda, "_lazy_init", lambda: None)
            patch.setattr(torch.cuda, "is_available", lambda: True)
            patch.setattr(torch.cuda, "device_count", lambda: 1)
            patch.setattr(torch.cuda, "get_device_name", lambda device=None: "a card")
            patch.setattr(torch.cuda, "memory_reserved", lambda device=None: 0)
            patch.setattr(torch.cuda, "memory_allocated", lambda device=None: 0)
            patch.setattr(torch.cuda, "mem_get_info", lambda device=None: (20 * _GIB, 24 * _GIB))
            patch.setattr(torch.cuda, "empty_cache", lambda: None)
            yield

    def refuse_copy(
        self, source: Tensor, dtype: torch.dtype, *, up: bool, non_blocking: bool
    ) -> None:
        """What nobody waits for. On the way up the driver has read pageable memory by then."""
        if non_blocking and not up:  # #86264
            raise Refused("a non_blocking copy to the CPU is not there when the call returns")

    def refuse(self, call: Call) -> None:
        """Tensors of two devices."""
        name, host = call.name, call.host
        if call.overload.namespace != "aten":
            raise Refused(f"{call.overload} is the CPU's own")
        if not host or name == "copy_":
            return
        if name in _INDEXED:
            self._indexed(call)
            return
        problem = (
            f"{name}: Expected all tensors to be on the same device, but found at least two "
            "devices, cuda:0 and cpu!"
        )
        # Generated checks (torchgen's ExactSame) and dimensions allow none.
        if call.operator.checked or any(each.ndim for each in host):
            raise Refused(problem)
        if any(each is written for each in host for written in call.written):
            raise Refused(problem)  # TensorIterator: an output is on the common device
        if len(host) > 1:
            raise Refused(f"{name}: Trying to pass too many CPU scalars to non-CPU kernel!")

    def _indexed(self, call: Call) -> None:
        """IndexingUtils.h; native/TensorAdvancedIndexing.cpp for the values."""
        if not _there(call.args[0]):
            raise Refused(
                "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
            )
        if call.name != "index" and not _there(call.args[2]) and call.args[2].ndim:
            raise Refused(f"{call.name}: expected the values on the card")


def _there(value: Any) -> bool:
    return isinstance(value, Tensor) and value.device.type == "cuda"
