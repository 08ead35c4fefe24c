"""Owns bringing a mapped file's tensors into memory while their networks are still being built."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from threading import Thread

from torch import Tensor

_POPULATE_READ = 22  # Linux's MADV_POPULATE_READ, since 5.14; Python has no name for it
_PAGE = 4096
_BLOCK = 2**25  # bytes at a time: one of them holds the address space's lock
_THREADS = 4  # more wait for memory, not for one another


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
    """The address and the size of each block of whole pages."""
    start = start // _PAGE * _PAGE
    end = -(-end // _PAGE) * _PAGE
    for address in range(start, end, _BLOCK):
        yield address, min(_BLOCK, end - address)


def _populate(blocks: Sequence[tuple[int, int]], _: Tensor) -> None:
    madvise = ctypes.CDLL(None).madvise
    for address, size in blocks:
        if madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), _POPULATE_READ):
            return  # an older kernel: the pages come as they are read
