"""The pages of mapped files: brought into memory before they are read, and let go after."""

from __future__ import annotations

import ctypes
import os
import sys
from bisect import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_POPULATE_READ = 22  # Linux's MADV_POPULATE_READ, since 5.14; Python has no name for it
_DONT_NEED = 4  # MADV_DONTNEED
_PAGE = 4096
_BLOCK = 2**25  # bytes at a time: one of them holds the address space's lock
_THREADS = 4  # more wait for memory, not for one another


_mapped = WeakTensorKeyDictionary()


def mapped_from(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the same tensors; those in the mapping of their file itself can be let go later."""
    places = sorted(_places(path))
    for tensor in tensors.values():
        before = bisect(places, (tensor.data_ptr(), sys.maxsize)) - 1
        if before >= 0 and tensor.data_ptr() + tensor.nbytes <= places[before][1]:
            _mapped[tensor] = True
    return tensors


def as_mapped_as(other: Tensor, tensor: Tensor) -> Tensor:
    """Allow a tensor that is the other, or a part of it, to be let go if that can."""
    if other in _mapped:
        _mapped[tensor] = True
    return tensor


def let_go(tensor: Tensor) -> bool:
    """Give back the memory of a tensor that was read, if it is a file's; whether it is.

    Who asks for it again gets it.
    """
    if tensor not in _mapped:
        return False
    start = -(-tensor.data_ptr() // _PAGE) * _PAGE
    size = (tensor.data_ptr() + tensor.nbytes) // _PAGE * _PAGE - start
    if size > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _DONT_NEED)
    return True


def _places(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the addresses between which a file is mapped into this process; Linux alone tells."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    wanted = str(path.resolve())
    for line in lines:
        place, *_, name = line.split(maxsplit=5)
        if name == wanted:
            start, end = place.split("-")
            yield int(start, 16), int(end, 16)


def bring_in(first: Tensor, last: Tensor) -> Sequence[Thread]:
    """Map every page from one tensor to another of the same file, in threads of their own.

    They need no end: whoever reads a page before its turn waits for that page alone, as without
    them. None run where the system has no such call.
    """
    if sys.platform != "linux" or not (first.nbytes and last.nbytes):  # an empty one has no place
        return ()
    blocks = list(_blocks(first.data_ptr(), last.data_ptr() + last.nbytes))
    count = min(_THREADS, os.cpu_count() or 1)
    threads = [
        # The tensors go along so that the file stays mapped.
        Thread(target=_populate, args=(blocks[start::count], first), name="bring in", daemon=True)
        for start in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def _blocks(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the address and the size of each block of whole pages."""
    start = start // _PAGE * _PAGE
    end = -(-end // _PAGE) * _PAGE
    for address in range(start, end, _BLOCK):
        yield address, min(_BLOCK, end - address)


def _populate(blocks: Sequence[tuple[int, int]], _: Tensor) -> None:
    madvise = ctypes.CDLL(None).madvise
    for address, size in blocks:
        if madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), _POPULATE_READ):
            return  # an older kernel: the pages come as they are read
