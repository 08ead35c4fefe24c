"""A device that is not here: tensors of the CPU that remember another device, and its refusals.

Within `pretended(device)` torch believes in the device. What is put there becomes an `OnDevice`, a
wrapper around a tensor of the CPU, which works as the CPU does. Before each call the device's
`refuse` sees it, and raises `Refused` for what the true device would not do, or do wrongly.

What it cannot tell: numbers (they are the CPU's), speed, memory, and what a device does inside
kernels. Only calls that reach torch's dispatcher are seen, and composite operators are taken apart
before; a helper tensor that one makes of `self.options()` would lie on the CPU, so those in
`_WHOLE` are taken as one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pytest
import torch
from devices.kernels import Operator, operator
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CPU = torch.device("cpu")


class Refused(AssertionError):
    """What the device would raise; or, of the worse kind, what it would do wrongly in silence."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operator that is given a tensor of the device, or is to make one there."""

    overload: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    tensors: list[Tensor]
    """All that it is given."""

    @property
    def name(self) -> str:
        """As in `torch.ops.aten`."""
        return self.operator.name

    @property
    def operator(self) -> Operator:
        """What torch's table tells of it."""
        return operator(self.overload)

    @property
    def host(self) -> list[Tensor]:
        """Those that lie on the CPU."""
        return [tensor for tensor in self.tensors if not isinstance(tensor, OnDevice)]

    @property
    def written(self) -> list[Tensor]:
        """Those whose content it changes."""
        arguments = self.overload._schema.arguments
        named = zip(arguments, self.args, strict=False)
        given = [(argument, value) for argument, value in named]
        given += [(a, self.kwargs[a.name]) for a in arguments if a.name in self.kwargs]
        return [
            value
            for argument, value in given
            if argument.alias_info is not None
            and argument.alias_info.is_write
            and isinstance(value, Tensor)
        ]


class Device:
    """A kind of device, and what it refuses: nothing, here."""

    kind: ClassVar[str]

    @property
    def device(self) -> torch.device:
        """The first of them."""
        return torch.device(self.kind, 0)

    def refuse(self, call: Call) -> None:
        """Raise Refused for a call that cannot work."""

    def refuse_tensor(self, tensor: Tensor) -> None:
        """Raise Refused for a tensor that cannot lie there."""

    def refuse_copy(
        self, source: Tensor, dtype: torch.dtype, *, up: bool, non_blocking: bool
    ) -> None:
        """Raise Refused for a copy `up` to the device or down from it, in that format."""

    def refuse_function(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise Refused for a function of Python, which composite operators are seen as too."""

    @contextmanager
    def here(self) -> Iterator[None]:
        """Within, torch says that such a device is there."""
        yield


class OnDevice(Tensor):
    """A tensor that lies on the device. To C++ it is the CPU's: indexing works, guards do not."""

    held: Tensor
    where: Device

    @staticmethod
    def __new__(cls, held: Tensor, where: Device | None = None, **_: Any) -> Any:
        if where is None:  # accelerate makes parameters anew, by their class
            return torch.nn.Parameter(held, requires_grad=False)
        where.refuse_tensor(held)
        made: OnDevice = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=CPU,
        )
        made.held, made.where = held, where
        return made

    def __init__(self, held: Tensor, where: Device | None = None, **_: Any) -> None:
        super().__init__()

    @property  # type: ignore[override]
    def device(self) -> torch.device:
        """Where it would lie."""
        return self.where.device

    @property  # type: ignore[override]
    def is_cpu(self) -> bool:
        """No."""
        return False

    @property  # type: ignore[override]
    def is_cuda(self) -> bool:
        """Whether it would lie on a card."""
        return self.where.kind == "cuda"

    @property  # type: ignore[override]
    def is_mps(self) -> bool:
        """Whether Metal would hold it."""
        return self.where.kind == "mps"

    def __repr__(self, **_: Any) -> str:
        return f"{self.where.device}: {self.held!r}"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Outside of the mode too: a tensor never forgets where it lies."""
        given = _tensors((args, kwargs))
        [where, *_] = [tensor.where for tensor in given if isinstance(tensor, OnDevice)]
        return _dispatched(where, func, args, kwargs or {})


def _lies_there(value: Any) -> bool:
    return isinstance(value, OnDevice)


def _dispatched(where: Device, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do on the CPU what is asked of the device, if it may be."""
    call = Call(func, args, kwargs, list(_tensors((args, kwargs))))
    asked = kwargs.get("device")
    made_there = asked is not None and torch.device(asked).type == where.kind
    there = made_there or any(_lies_there(tensor) for tensor in call.tensors)
    if there:
        where.refuse(call)
        if call.name == "copy_":
            _check_copy(where, call)
    if made_there:
        kwargs = {**kwargs, "device": CPU}
    known = {id(t.held): t for t in call.tensors if isinstance(t, OnDevice)}
    plain = _plain((args, kwargs))
    result = func(*plain[0], **plain[1])
    if not there:
        return result
    for wrapper in known.values():
        if wrapper.shape != wrapper.held.shape:
            raise NotImplementedError(f"{func} changes the shape of what it is given")

    def wrapped(leaf: Tensor) -> Tensor:
        if any(leaf is tensor for tensor in call.host):
            return leaf
        return known[id(leaf)] if id(leaf) in known else OnDevice(leaf, where)

    return _with(wrapped, result)


def _tensors(value: Any) -> Iterator[Tensor]:
    """Those in what a function is given; torch's own trees take ten times as long."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _with(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The same with each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        changed = [_with(change, each) for each in value]
        return changed if isinstance(value, list) else tuple(changed)
    if isinstance(value, dict):
        return {key: _with(change, each) for key, each in value.items()}
    return value


def _plain(value: Any) -> Any:
    return _with(lambda tensor: tensor.held if isinstance(tensor, OnDevice) else tensor, value)


def _check_copy(where: Device, call: Call) -> None:
    target, source = call.args[:2]
    non_blocking = bool(call.kwargs.get("non_blocking", (*call.args, False)[2]))
    if _lies_there(target) is not _lies_there(source):
        up = _lies_there(target)
        where.refuse_copy(source, target.dtype, up=up, non_blocking=non_blocking)


class _Dispatch(TorchDispatchMode):
    def __init__(self, where: Device) -> None:
        super().__init__()
        self._where = where

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _dispatched(self._where, func, args, kwargs or {})


_WHOLE = {"quantile", "nanquantile", "kron", "isin", "pad"}
"""Composite operators that make helpers of their own; on a device those lie there."""


class _Functions(TorchFunctionMode):
    """Sees what never reaches the dispatcher, or reaches it as something else."""

    def __init__(self, where: Device) -> None:
        super().__init__()
        self._where = where

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        where, kwargs = self._where, dict(kwargs or {})
        name = getattr(func, "__name__", "")
        where.refuse_function(name, args, kwargs)
        if "generator" in kwargs:
            _check_generator(where, kwargs)
        there = bool(args) and _lies_there(args[0])
        if name in ("tensor", "as_tensor", "asarray") and self._asks_for(kwargs.get("device")):
            kwargs.pop("device")
            return self._moved(func(*args, **kwargs), where.device)
        if name == "new_tensor" and there:
            made = torch.tensor(*args[1:], dtype=kwargs.get("dtype", args[0].dtype))
            return self._moved(made, kwargs.get("device", where.device))
        if name in ("to", "cpu", "cuda", "mps") and isinstance(args[0], Tensor):
            return self._to(name, *args, **kwargs)
        if name in ("numpy", "__array__", "pin_memory") and there:
            raise Refused(f"can't convert {where.device} device type tensor to numpy")
        if name == "tolist" and there:
            return args[0].held.tolist()
        if name in _WHOLE and any(map(_lies_there, _tensors((args, kwargs)))):
            return self._whole(func, name, args, kwargs)
        if self._asks_for(kwargs.get("device")):
            kwargs["device"] = where.device
        elif there and kwargs.get("device") is not None:  # zeros_like(x, device="cpu")
            args = (args[0].held, *args[1:])
        return func(*args, **kwargs)

    def _asks_for(self, device: Any) -> bool:
        if isinstance(device, str | torch.device):
            return torch.device(device).type == self._where.kind
        return False

    def _whole(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        if not all(map(_lies_there, _tensors((args, kwargs)))):
            raise Refused(f"{name}: expected all tensors to be on the same device")
        plain = _plain((args, kwargs))
        return _with(lambda made: OnDevice(made, self._where), func(*plain[0], **plain[1]))

    def _to(self, name: str, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if name != "to":
            return self._moved(tensor, torch.device(name), **kwargs)
        copy = kwargs.pop("copy", False)
        if args and isinstance(args[0], Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
        if layout is not None:
            kwargs = {"memory_format": layout}
            tensor = tensor.to(dtype=dtype, **kwargs) if dtype else tensor.contiguous(**kwargs)
        return self._moved(tensor, device, dtype, non_blocking=non_blocking, copy=copy)

    def _moved(
        self,
        tensor: Tensor,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        non_blocking: bool = False,
        copy: bool = False,
    ) -> Tensor:
        dtype, where = dtype or tensor.dtype, self._where
        if device is None:
            device = tensor.device
        if torch.device(device).type == "meta":
            if tensor.device.type == "meta" and dtype == tensor.dtype:
                return tensor  # as a parameter that it may be
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype, device="meta")
        up, there = self._asks_for(device), isinstance(tensor, OnDevice)
        if up is there:  # it stays
            same = tensor.dtype == dtype
            return (tensor.clone() if copy else tensor) if same else _cast(tensor, dtype)
        where.refuse_copy(tensor, dtype, up=up, non_blocking=non_blocking)
        plain = tensor.held if isinstance(tensor, OnDevice) else tensor
        moved = plain.detach().to(dtype, copy=True)
        return OnDevice(moved, where) if up else moved


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    cast: Tensor = torch.ops.aten._to_copy.default(tensor, dtype=dtype)
    return cast


class Generator(torch.Generator):
    """In the place of torch's, so that there are some of the device; the numbers are the CPU's."""

    def __new__(cls, device: str | torch.device = CPU) -> Generator:
        made = super().__new__(cls)
        made.where = torch.device(device)
        return made

    where: torch.device

    @property
    def device(self) -> torch.device:
        """Where it would draw."""
        index = None if self.where.type == "cpu" else self.where.index or 0
        return torch.device(self.where.type, index)


def _check_generator(where: Device, kwargs: Mapping[str, Any]) -> None:
    """Error text: at::check_generator, aten/src/ATen/core/Generator.h; pytorch #110820."""
    generator = kwargs["generator"]
    if generator is not None:
        asked = torch.device(kwargs.get("device") or "cpu").type
        if generator.device.type != asked:
            raise Refused(
                f"Expected a '{asked}' device type for generator but found "
                f"'{generator.device.type}'"
            )


@contextmanager
def pretended(where: Device) -> Iterator[None]:
    """Within, the device is there, in this thread and in those of thread pools."""

    def within(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with _Functions(where), _Dispatch(where), torch.no_grad():
            return work(*args, **kwargs)

    submit = ThreadPoolExecutor.submit
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, where.here():
        # Tensors of inference mode can be no wrappers' views, and have composites come whole.
        patch.setattr(torch.inference_mode, "__enter__", _no_grad_in)
        patch.setattr(torch.inference_mode, "__exit__", _no_grad_out)
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(
            ThreadPoolExecutor,
            "submit",
            lambda pool, work, /, *a, **k: submit(pool, partial(within, work), *a, **k),
        )
        # Else Module.to puts a wrapper's content into the parameter that there was.
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            with _Functions(where), _Dispatch(where):
                yield
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(before)


def _no_grad_in(mode: Any) -> None:
    mode.instead = torch.no_grad()
    mode.instead.__enter__()


def _no_grad_out(mode: Any, *error: Any) -> None:
    mode.instead.__exit__(*error)


def this_thread() -> int:
    """Its number."""
    return threading.get_ident()
