"""Metal (torch's "mps") as of torch 2.13: what it refuses, and what it would do wrongly in silence.

Each rule has its source beside it: #n is issue or pull request n of pytorch/pytorch, other names
are files of its repository. Rules that a later torch mends stay: people have older ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from devices.pretended import Call, Device, Refused, this_thread
from torch import Tensor

# #141287 tracks what is missing. These have no kernel in the table and run all the same.
_RUNS_ANYHOW = {
    "_scaled_dot_product_flash_attention_for_cpu",  # what the CPU makes of SDPA; Metal has its own
    "_fused_sdp_choice",
    "embedding_renorm_",  # aten/src/ATen/mps/MPSFallback.mm: on the CPU, with a warning
    "linalg_svd",
    "_linalg_svd",
}

# One body for all devices that ends in a kernel which Metal lacks: native_functions.yaml, out=.
_BODY_ENDS_NOWHERE = {"logspace", "linalg_lstsq", "frexp"}

# "Convolution is supported only for Floating types"; torch/testing/_internal/common_mps.py,
# UNIMPLEMENTED_XFAILLIST, for the others.
_FLOATS_ONLY = {
    *("convolution", "_convolution", "addmm", "mm", "native_group_norm", "native_layer_norm"),
    *("avg_pool2d", "max_pool2d_with_indices", "_softmax", "silu", "gelu"),
}
# common_mps.py: unsupported for torch.bool.
_NO_BOOLEANS = {"median", "nanmedian", "relu", "max_pool2d_with_indices", "replication_pad2d"}

# getMPSDataType (native/mps/OperationUtils.mm) knows them, most kernels do not: #159076.
_UNSIGNED = {torch.uint16, torch.uint32, torch.uint64}
_MAY_BE_UNSIGNED = {"copy_", "_to_copy", "clone", "view", "_unsafe_view", "detach", "select"}
_MAY_BE_UNSIGNED |= {"slice", "fill_", "empty", "zeros", "alias", "expand", "permute", "reshape"}

_FLOAT8 = {
    getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
}
_TOO_LARGE = 2**32  # bytes
_INDEXED = {"index", "index_put_", "_index_put_impl_", "index_put"}


class Metal(Device):
    """An Apple GPU. Its rules hold for one thread, the first that works."""

    kind = "mps"

    def __init__(self) -> None:
        self._thread: int | None = None

    @contextmanager
    def here(self) -> Iterator[None]:
        """As torch tells on a Mac; 16 GiB."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.backends.mps, "is_available", lambda: True)
            patch.setattr(torch.mps, "current_allocated_memory", lambda: 0)
            patch.setattr(torch.mps, "driver_allocated_memory", lambda: 0)
            patch.setattr(torch.mps, "recommended_max_memory", lambda: 16 * 2**30)
            self._thread = None
            yield

    def refuse_tensor(self, tensor: Tensor) -> None:
        """Formats and sizes that it does not have."""
        self._one_thread()
        if tensor.dtype in (torch.float64, torch.complex128):
            # aten/src/ATen/mps/EmptyTensor.cpp; #79019, #122602: as is meant. common_mps.py for
            # complex128.
            raise Refused(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support "
                "float64. Please use float32 instead."
            )
        if tensor.dtype in _FLOAT8:  # #132624 is open, #194074 came after
            raise Refused(f"Trying to convert {tensor.dtype} to the MPS backend")
        if tensor.ndim > 16:  # EmptyTensor.cpp
            raise Refused(f"MPS supports tensors with dimensions <= 16, but got {tensor.ndim}.")
        if tensor.layout != torch.strided:  # EmptyTensor.cpp: only strided ones
            raise Refused(f"no {tensor.layout} tensors on MPS")
        if tensor.numel() * tensor.element_size() >= _TOO_LARGE:
            # #143859: not an error, the process is aborted. A view is as large to a kernel.
            raise Refused("total bytes of NDArray > 2**32")

    def refuse_copy(
        self, source: Tensor, dtype: torch.dtype, *, up: bool, non_blocking: bool
    ) -> None:
        """Copies that do not wait, and those that change the format on the way down."""
        self._one_thread()
        if non_blocking:
            # Up: #139550, #189690 (open): the memory of a temporary is used again before it is
            # read. Down: #193845: it is not there when the call returns.
            raise Refused("non_blocking copies to or from MPS give garbage")
        if not up and dtype in (torch.float64, torch.complex128):
            # #197715: an error in most versions, nothing is written in 2.14.0.
            raise Refused("MPS to float64 in one call: .cpu() first")

    def refuse_function(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Functions whose arguments Metal does not take."""
        given = [*args, *kwargs.values()]
        if name == "pin_memory" or kwargs.get("pin_memory"):
            # #195008: raises in 2.13, works from 2.14.
            raise Refused("pin_memory: not on MPS")
        if name == "scaled_dot_product_attention" and any(_there(each) for each in given):
            # aten/src/ATen/native/mps/operations/Attention.mm
            named = dict(
                zip(("query", "key", "value", "attn_mask", "dropout_p"), args, strict=False)
            )
            named |= kwargs
            if named.get("dropout_p"):
                raise Refused("_scaled_dot_product_attention_math_for_mps: no dropout")
            if named.get("is_causal") and named.get("attn_mask") is not None:
                raise Refused("_scaled_dot_product_attention_math_for_mps: a mask, or is_causal")

    def refuse(self, call: Call) -> None:
        """Operators without a kernel, and those that a kernel does wrongly."""
        self._one_thread()
        name, args = call.name, call.args
        if call.overload.namespace != "aten":
            raise Refused(f"{call.overload} is the CPU's own")
        lacking = call.operator.metal == "none" or name in _BODY_ENDS_NOWHERE
        if lacking and name not in _RUNS_ANYHOW:
            raise Refused(
                f"The operator 'aten::{name}' is not currently implemented for the MPS device."
            )
        self._mixed(call)
        if not call.tensors:
            return
        first = args[0] if args and isinstance(args[0], Tensor) else call.tensors[0]
        if name in _FLOATS_ONLY and not first.is_floating_point():
            raise Refused(f"{name} is supported only for Floating types")
        if name in _NO_BOOLEANS and first.dtype == torch.bool:
            raise Refused(f"{name} is not implemented for Bool on MPS")
        if any(each.dtype in _UNSIGNED for each in call.tensors) and name not in _MAY_BE_UNSIGNED:
            raise Refused(f"{name} of an unsigned format on MPS")
        if name in ("convolution", "_convolution") and not args[1].is_contiguous():
            # #192212: wrong by orders of magnitude on macOS 15, #192303 mends it in 2.14.
            raise Refused("a convolution's weight that is not contiguous gives garbage")
        if name in ("convolution", "_convolution") and not args[0].is_contiguous():
            # #180984: channels of a channels_last input; #180992 mends it in 2.13.
            raise Refused("a convolution's input that is not contiguous gave garbage")
        if name in ("sort", "argsort", "topk") and not first.is_contiguous():
            # #175187, open: the strides are ignored.
            raise Refused(f"{name} ignores the strides of its input")
        if name == "lerp" and not all(
            torch.isfinite(each.held).all() for each in args[:2] if _there(each)
        ):
            # #111374, open: it is a + w (b - a), so NaN.
            raise Refused("lerp with an infinite end is NaN")
        if name == "_adaptive_avg_pool2d" and any(
            size % wanted for size, wanted in zip(first.shape[-2:], args[1], strict=True)
        ):  # aten/src/ATen/native/mps/operations/AdaptivePooling.mm
            raise Refused("Adaptive pool MPS: input sizes must be divisible by output sizes")
        if name.startswith("_upsample") and first.dtype == torch.uint8:  # #145526
            raise Refused(f"{name} of uint8 on MPS")
        if name == "bmm" and len(first) * args[0].shape[1] * args[1].shape[2] >= 2**32:
            raise Refused("bmm of so many elements is wrong")  # #197636
        if name == "copy_" and not _there(args[0]) and args[0].dtype != args[1].dtype:
            # #189563: overwrites its source where the target has an offset; mended in 2.14.
            raise Refused("copy_ from MPS in another format: .cpu() first")

    def _mixed(self, call: Call) -> None:
        """A tensor of the CPU beside one of Metal. No check is generated: #142477, #155165."""
        name, host = call.name, call.host
        if not host or name == "copy_":
            return
        if name in _INDEXED:
            # #85450, #81051: an index may lie on the CPU, but not that of a tensor of the CPU.
            if not _there(call.args[0]):
                raise Refused("indices should be either on cpu or on the same device")
            if name != "index" and not _there(call.args[2]) and call.args[2].ndim:
                raise Refused(f"{name}: the values lie on the CPU")
            return
        if call.operator.checked or any(each.ndim for each in host) or len(host) > 1:
            # #86975, #142048: an error, a crash, or a wrong answer.
            raise Refused(
                f"{name}: Expected all tensors to be on the same device, but found at least two "
                "devices, mps:0 and cpu!"
            )
        if any(each is written for each in host for written in call.written):
            raise Refused(f"{name}: its target lies on the CPU")
        [scalar] = host
        if scalar.storage_offset() and scalar.dtype != torch.float64:
            # #187117, #191929, #193057, diffusers #14368: element 0 of its storage is taken, in
            # silence (native/mps/OperationUtils.h: setBytes of storage().data()); #187229 mends it
            # in 2.14.
            raise Refused("a CPU scalar with a storage offset: MPS takes the storage's first")

    def _one_thread(self) -> None:
        """#197805, #197836 (open): two threads that work at once abort the process."""
        if self._thread is None:
            self._thread = this_thread()
        if self._thread != this_thread():
            raise Refused("two threads work on MPS")


def _there(value: Any) -> bool:
    return isinstance(value, Tensor) and value.device.type == "mps"
