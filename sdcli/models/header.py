"""What stands in a weight file's header: its tensors' names, shapes and number formats.

No tensor is read, torch is not needed, and nothing in the file is run: of a pickle only what
rebuilds tensors is understood, and all else in it is refused.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sdcli.errors import ModelError

from .kinds import kind_by_start

PICKLED = (".ckpt", ".pt", ".pth", ".bin")
ENDINGS = (".safetensors", *PICKLED)


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file: shape and number format ("F16", "BF16", …) by name; its metadata.

    `root` stands before all names in the file itself.
    """

    shapes: Mapping[str, tuple[int, ...]]
    formats: Mapping[str, str]
    metadata: Mapping[str, str] = field(default_factory=dict)
    root: str = ""

    def below(self, root: str) -> Header:
        """Return the same, of names without the `root` that stands before all of them."""
        shapes = {name.removeprefix(root): shape for name, shape in self.shapes.items()}
        formats = {name.removeprefix(root): kind for name, kind in self.formats.items()}
        return Header(shapes, formats, self.metadata, root)


def read_header(path: Path) -> Header:
    """Read the header of a safetensors file, or of a pickle as torch writes them.

    The content tells which, as people rename files. Raises ModelError for a file that is damaged,
    cut short, of another kind, or that would run code.
    """
    layout = layout_of(path)
    try:
        return _safetensors(path) if layout == "safetensors" else _pickled(path, layout)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


Layout = Literal["safetensors", "zip", "old pickle"]


def layout_of(path: Path) -> Layout:
    """Return how the file is written: torch's pickles are zip archives since 1.6.

    Where its first bytes do not tell, its ending does. Raises ModelError for an unreadable file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    if start.startswith(b"PK\x03\x04"):
        return "zip"
    if start.startswith(b"\x80\x02"):
        return "old pickle"
    pickled = not start.endswith(b"{") and path.suffix.lower() in PICKLED
    return "zip" if pickled else "safetensors"


def numbers(path: Path, name: str) -> list[float]:
    """Return the numbers of a small tensor of a safetensors file. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return [float(number) for number in file.get_tensor(name).ravel()]
    except (SafetensorError, OSError, TypeError) as error:  # numpy has no bfloat16
        raise ModelError(f"{name} of {path} cannot be read: {error}") from error


def _damaged(path: Path, otherwise: str) -> ModelError:
    """Return what to say of a file that has no header: what it is, if its start tells."""
    if kind := kind_by_start(path):
        return ModelError(f"{path} is {kind.title}", kind.advice)
    return ModelError(f"{path} is damaged, or {otherwise}", "download it again")


def _safetensors(path: Path) -> Header:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return Header(
                {name: tuple(item.get_shape()) for name, item in slices.items()},
                {name: str(item.get_dtype()) for name, item in slices.items()},
                file.metadata() or {},
            )
    except SafetensorError as error:
        raise _damaged(path, f"not a safetensors file: {error}") from error


def _pickled(path: Path, layout: Layout) -> Header:
    try:
        content = _zipped(path) if layout == "zip" else _old(path)
    except (zipfile.BadZipFile, StopIteration) as error:
        raise _damaged(path, "was not saved by torch") from error
    except (pickle.UnpicklingError, *_NONSENSE) as error:
        raise ModelError(f"{path} holds more than tensors: {error}", _SAFER) from error
    found = content.get("state_dict", content) if isinstance(content, dict) else {}
    tensors = dict(_flat(found))
    return Header(
        {name: item.shape for name, item in tensors.items()},
        {name: item.format for name, item in tensors.items()},
    )


def _zipped(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        with archive.open(name) as file:
            return _Tensors(file).load()


def _old(path: Path) -> Any:
    """Return the content of torch's format before 1.6: three pickles about it come first."""
    with path.open("rb") as file:
        for _ in range(3):
            _Tensors(file).load()
        return _Tensors(file).load()


def _flat(content: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, _Tensor]]:
    """Yield all tensors; those of a dictionary within have its name before theirs."""
    for name, item in content.items():
        if isinstance(item, _Tensor):
            yield f"{before}{name}", item
        elif isinstance(item, dict):
            yield from _flat(item, f"{before}{name}.")


# What a pickle of anything else makes the stand-ins stumble over.
_NONSENSE = (EOFError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
_SAFER = "a pickle can run any code, so sdcli does not load it; look for a .safetensors file"


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]
    format: str


_FORMATS = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}


# What stands beside the tensors in checkpoints of a training: a callback's class as a key, the best
# loss as numpy's number. A1111's and ComfyUI's safe readers take them too.
_HARMLESS = re.compile(
    r"""
    (?:pytorch_lightning|lightning|lightning_fabric)\.[\w.]+
    | numpy\.(?:_?core\.multiarray\.(?:scalar|_reconstruct)|dtype|ndarray)
    | numpy\.dtypes\.\w+ | _codecs\.encode | (?:builtins|__builtin__)\.set
    | torch\.(?:Size|device|float\d+|bfloat16)
    """,
    re.VERBOSE,
)


class Inert:
    """Stands in for a harmless class or function of a pickle, whatever that makes of it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take anything."""

    def __setstate__(self, _: Any) -> None:
        """Keep nothing."""


def is_harmless(name: str) -> bool:
    """Return whether a pickle may name this, module and all; `Inert` takes its place."""
    return bool(_HARMLESS.fullmatch(name))


class _Tensors(pickle.Unpickler):
    """Reads torch's pickles with a stand-in for every tensor, and knows nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the few names that torch's own state dicts use."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return getattr(self, name)
        if module == "torch" and name in _FORMATS:
            return _FORMATS[name]
        if is_harmless(f"{module}.{name}"):
            return Inert
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Return a storage: only its number format matters here."""
        return pid[1]

    @staticmethod
    def _rebuild_tensor_v2(storage: str, offset: int, size: tuple[int, ...], *_: Any) -> _Tensor:
        return _Tensor(tuple(size), storage)

    @staticmethod
    def _rebuild_parameter(data: _Tensor, *_: Any) -> _Tensor:
        return data
