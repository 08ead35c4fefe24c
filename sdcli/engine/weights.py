"""Owns filling a network with the tensors of its files, without a second copy in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from torch import Tensor, nn

from sdcli.errors import ModelError
from sdcli.models.header import PICKLED
from sdcli.models.layouts import Place


class Source(Protocol):
    """Where a network's tensors are: by the names that the network itself has for them."""

    def __call__(self, name: str) -> Tensor | None:
        """The tensor, on the CPU and in its file's own format; None where there is none."""


class File:
    """The tensors of one weight file by their names in it: mapped into memory, not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded: Mapping[str, Tensor] | None = None
        self._open: Any = None
        if path.suffix.lower() in PICKLED:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            self._loaded = content.get("state_dict", content)
            self.names = frozenset(self._loaded)
        else:
            self._open = safe_open(path, framework="pt", device="cpu")
            self.names = frozenset(self._open.keys())

    def __call__(self, name: str) -> Tensor | None:
        """The tensor of that name."""
        if name not in self.names:
            return None
        if self._loaded is not None:
            return self._loaded[name]
        tensor: Tensor = self._open.get_tensor(name)
        return tensor


def in_folder(paths: list[Path]) -> Source:
    """The tensors of a component's folder, over all files that they are spread on."""
    files = [File(path) for path in paths]

    def source(name: str) -> Tensor | None:
        for key in (name, f"text_model.{name}"):  # as transformers named a text encoder's before 5
            for file in files:
                if key in file.names:
                    return file(key)
        return None

    return source


def in_original(file: File, place: Callable[[str], Place]) -> Source:
    """The tensors of a network in a single file of the original layout."""

    def source(name: str) -> Tensor | None:
        where = place(name)
        tensor = file(where.name)
        if tensor is None:
            # CLIP stood without its inner name in the first files.
            tensor = file(where.name.replace(".text_model.", ".", 1))
        if tensor is None:
            return None
        if where.third is not None:
            tensor = tensor.chunk(3)[where.third]
        return tensor.T.contiguous() if where.transposed else tensor

    return source


def fill(network: nn.Module, source: Source, *, dtype: torch.dtype, where: str) -> nn.Module:
    """Give an empty network its tensors from `source`, in `dtype`; returns it, ready to run.

    Shapes that differ by ones are taken for one another. Raises ModelError, with `where` for the
    place, for a missing tensor or one of another shape.
    """
    modules = dict(network.named_modules())
    missing, misshapen = [], []
    for name, wanted in network.state_dict().items():
        found = source(name)
        if found is None:
            missing.append(name)
        elif [n for n in found.shape if n > 1] != [n for n in wanted.shape if n > 1]:
            misshapen.append(name)
        else:
            # As load_state_dict(assign=True) would, in a fraction of its time.
            owner, _, last = name.rpartition(".")
            tensor = found.reshape(wanted.shape).to(dtype)
            modules[owner].register_parameter(last, nn.Parameter(tensor, requires_grad=False))
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
    """The positions 0, 1, 2 …, which no file holds."""
    owner, _, last = name.rpartition(".")
    assert last == "position_ids", name
    positions = torch.arange(buffer.shape[-1]).expand(buffer.shape)
    network.get_submodule(owner).register_buffer(last, positions, persistent=False)


_LAYERS: tuple[Any, ...] = (nn.Linear, nn.Conv2d, nn.Embedding, nn.GroupNorm, nn.LayerNorm)


@contextmanager
def no_content() -> Iterator[None]:
    """Modules built inside have shapes and no content, and draw no random numbers."""
    kept = [layer.reset_parameters for layer in _LAYERS]
    for layer in _LAYERS:
        layer.reset_parameters = lambda self: None
    try:
        with torch.device("meta"):
            yield
    finally:
        for layer, method in zip(_LAYERS, kept, strict=True):
            layer.reset_parameters = method
