"""Filling a network with the tensors of its files, without a second copy in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor, nn

from sdcli.engine.speed.packing import Packed
from sdcli.errors import ModelError
from sdcli.models.header import PICKLED, Inert, is_harmless, layout_of
from sdcli.models.key_mapping import Place, first_name

from .pages import as_mapped_as, bring_in, let_go, mapped_from

_LARGE = 2**16  # numbers: a weight that is brought into its format when it is packed


class Source(Protocol):
    """Where a network's tensors are: by the names that the network itself has for them."""

    def __call__(self, name: str) -> Tensor | None:
        """Return the tensor, on the CPU and in its file's own format; None where there is none."""


Tensors: TypeAlias = Mapping[str, Tensor]


def tensors_in(path: Path, *, soon: Callable[[str], bool] | None = None) -> Tensors:
    """Return the tensors of one weight file by their names in it: mapped into memory, not read.

    Those that are wanted `soon` come into memory meanwhile, where the format allows it.
    """
    if layout_of(path) != "safetensors":
        content = unpickle(path)
        held = content.get("state_dict", content)
        return {name: item for name, item in held.items() if isinstance(item, Tensor)}
    with safe_open(path, framework="pt", device="cpu") as file:
        names = file.offset_keys()
        for wanted, grouped in groupby(names, soon or (lambda _: False)):
            if wanted:
                run = list(grouped)
                bring_in(file.get_tensor(run[0]), file.get_tensor(run[-1]))
        return mapped_from(path, {name: file.get_tensor(name) for name in names})


def unpickle(path: Path, known: Sequence[Any] = ()) -> Any:
    """Return what torch pickled: mapped tensors, `known` classes, and nothing that runs.

    Raises OSError, RuntimeError, UnpicklingError.
    """
    # torch goes by the ending: since 2.13 it reads .safetensors itself.
    mapped = layout_of(path) == "zip" and path.suffix.lower() in PICKLED
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if mapped else ()
    harmless = [(Inert, name) for name in names if is_harmless(name)]
    with torch.serialization.safe_globals([*known, *harmless]), path.open("rb") as file:
        source: Any = path if mapped else file
        return torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)


# ComfyUI's name of what a weight in fp8 is multiplied by, and that of torchao and others: one
# number for all of it, or one for each of its rows.
_SCALES = ("scale_weight", "weight_scale")


def _scaled(tensors: Tensors, name: str) -> Tensor | None:
    """Return a tensor of that name, times the scale that stands beside it in files of fp8."""
    tensor = tensors.get(name)
    if tensor is None or not name.endswith(".weight"):
        return tensor
    stem = name.removesuffix("weight")
    scale = next((tensors[stem + each] for each in _SCALES if stem + each in tensors), None)
    if scale is None:
        return tensor
    return tensor.float() * scale.float().reshape(-1, *(1,) * (tensor.ndim - 1))


def in_folder(tensors: Tensors) -> Source:
    """Find a network's tensors in the files of its component's folder."""

    def source(name: str) -> Tensor | None:
        # A text encoder's names have this before them, or not, by the version of transformers that
        # wrote them and that reads them; a VAE's may be its first ones.
        bare = name.removeprefix("text_model.")
        names = (bare, f"text_model.{bare}", first_name(name))
        found = (_scaled(tensors, known) for known in names)
        return next((tensor for tensor in found if tensor is not None), None)

    return source


def in_original(tensors: Tensors, place: Callable[[str], Place]) -> Source:
    """Find a network's tensors in a single file of the original layout."""

    def source(name: str) -> Tensor | None:
        where = place(name)
        tensor = _scaled(tensors, where.name)
        if tensor is None:
            # CLIP stood without its inner name in the first files.
            tensor = _scaled(tensors, where.name.replace(".text_model.", ".", 1))
        if tensor is None:
            return None
        if where.third is not None:
            tensor = as_mapped_as(tensor, tensor.chunk(3)[where.third])
        return tensor.T.contiguous() if where.transposed else tensor

    return source


def fill(network: nn.Module, source: Source, *, dtype: torch.dtype, where: str) -> nn.Module:
    """Give an empty network its tensors from `source`, in `dtype`; returns it, ready to run.

    Large weights of layers that pack them stay as they are in the file until then. Shapes that
    differ by ones are taken for one another. Raises ModelError, with `where` for the
    place, for a missing tensor or one of another shape.
    """
    modules = dict(network.named_modules())
    missing, misshapen = [], []
    for name, wanted in network.state_dict().items():
        stored = source(name)
        if stored is None:
            missing.append(name)
        elif [n for n in stored.shape if n > 1] != [n for n in wanted.shape if n > 1]:
            misshapen.append(name)
        else:
            # As load_state_dict(assign=True) would, in a fraction of its time.
            owner, _, last = name.rpartition(".")
            module, shaped = modules[owner], stored.reshape(wanted.shape)
            later = isinstance(module, Packed) and last == "weight" and stored.numel() >= _LARGE
            # Contiguous: a pickle may hold other strides, by which Metal convolves wrongly until
            # torch 2.14 (pytorch #192212).
            tensor = shaped if later else shaped.to(dtype).contiguous()
            parameter = nn.Parameter(tensor, requires_grad=False)
            module.register_parameter(last, parameter)
            if tensor.data_ptr() == stored.data_ptr():
                as_mapped_as(stored, parameter)
            else:
                let_go(stored)
    for problem, names in (("missing", missing), ("of another shape", misshapen)):
        if names:
            raise ModelError(
                f"{where} does not fit its configuration: {len(names)} tensors are {problem}, "
                f"first {names[0]}",
                "the weights and the configuration are of different models",
            )
    for name, buffer in network.named_buffers():
        if buffer.is_meta:
            _number(network, name, buffer)
    return network.eval()


def _number(network: nn.Module, name: str, buffer: Tensor) -> None:
    """Give the network the positions 0, 1, 2 …, which no file holds."""
    owner, _, last = name.rpartition(".")
    assert last == "position_ids", name
    positions = torch.arange(buffer.shape[-1]).expand(buffer.shape)
    network.get_submodule(owner).register_buffer(last, positions, persistent=False)


_LAYERS: tuple[Any, ...] = (nn.Linear, nn.Conv2d, nn.Embedding, nn.GroupNorm, nn.LayerNorm)


@contextmanager
def no_content() -> Iterator[None]:
    """Let modules built inside have shapes and no content, and draw no random numbers."""
    methods = [layer.reset_parameters for layer in _LAYERS]
    for layer in _LAYERS:
        layer.reset_parameters = lambda self: None
    try:
        with torch.device("meta"):
            yield
    finally:
        for layer, method in zip(_LAYERS, methods, strict=True):
            layer.reset_parameters = method
