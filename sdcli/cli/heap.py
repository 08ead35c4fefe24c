"""Owns how this process keeps memory that it frees."""

from __future__ import annotations

import ctypes
import sys

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # of <malloc.h>
_KEPT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library use memory again in place of giving it back, up to 2 GiB.

    glibc returns large blocks to the system when they are freed, and so every layer of a network
    fetches its pages anew: a tenth of a decode on a CPU, and most of packing weights. Elsewhere
    nothing changes.
    """
    if sys.platform == "linux" and (adjust := getattr(ctypes.CDLL(None), "mallopt", None)):
        adjust(_MMAP_MAX, 0)
        adjust(_TRIM_THRESHOLD, _KEPT)
