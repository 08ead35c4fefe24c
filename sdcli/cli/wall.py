"""Owns crossing the wall: what holds while torch is imported and weights are loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def crossing(*, compiling: bool = False) -> Iterator[None]:
    """Do not look for garbage inside, nor ever again among what was made there; keep freed memory.

    The imports make half a million objects, and all of them live to the end. Going through them
    over and over costs a fifth of the imports' time, and then a fifth of a second now and again.
    Packages that no run uses are not run; where it is `compiling`, the compiler is used.
    """
    from .heap import keep_freed_memory
    from .postponed import COMPILER, UNUSED, postpone

    keep_freed_memory()
    postpone(UNUSED if compiling else {**UNUSED, **COMPILER})
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
