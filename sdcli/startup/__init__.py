"""Owns crossing the wall: what holds while torch is imported and weights are loaded."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fast_torch_import(*, compiling: bool = False) -> Iterator[None]:
    """Do not look for garbage inside, nor ever again among what was made there; keep freed memory.

    The imports make half a million objects, and all of them live to the end. Going through them
    over and over costs a fifth of the imports' time, and then a fifth of a second now and again.
    Packages that no run uses are not run; where it is `compiling`, the compiler is used.
    """
    pass
    from .lazy_packages import COMPILER, UNUSED, postpone

    keep_freed_memory()
    postpone(UNUSED if compiling else {**UNUSED, **COMPILER})
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # of <malloc.h>
_KEPT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library use memory again in place of giving it back, up to 2 GiB.

    glibc returns large blocks to the system when they are freed, and so every layer of a network
    fetches its pages anew: a tenth of a decode on a CPU, and most of packing weights. Elsewhere
    nothing changes.
    """
    import ctypes

    if sys.platform == "linux" and (adjust := getattr(ctypes.CDLL(None), "mallopt", None)):
        adjust(_MMAP_MAX, 0)
        adjust(_TRIM_THRESHOLD, _KEPT)
