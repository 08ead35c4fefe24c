"""Crossing the wall: what holds while torch is imported and weights are loaded."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fast_torch_import(*, compiling: bool = False, whole_process: bool = True) -> Iterator[None]:
    """Import without collecting garbage, and without packages that no run uses.

    The imports make half a million objects, and all of them live to the end. Going through them
    over and over costs a fifth of the imports' time, and then a fifth of a second now and again.
    Where it is `compiling`, the compiler is used. If the `whole_process` is ours, nothing made here
    is ever looked at again, and freed memory is kept.
    """
    from .lazy_packages import COMPILER, UNUSED, postpone

    if whole_process:
        keep_freed_memory()
    collected = gc.isenabled()
    postpone(UNUSED if compiling else {**UNUSED, **COMPILER})
    gc.disable()
    try:
        yield
    finally:
        if whole_process:
            gc.freeze()
        if collected:
            gc.enable()


_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # of <malloc.h>
_MAX_KEPT_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library use memory again in place of giving it back, up to 2 GiB.

    glibc returns large blocks to the system when they are freed, and so every layer of a network
    fetches its pages anew: a tenth of a decode on a CPU, and most of packing weights. Elsewhere
    nothing changes.
    """
    import ctypes

    if sys.platform == "linux" and (adjust := getattr(ctypes.CDLL(None), "mallopt", None)):
        adjust(_MMAP_MAX, 0)
        adjust(_TRIM_THRESHOLD, _MAX_KEPT_BYTES)
