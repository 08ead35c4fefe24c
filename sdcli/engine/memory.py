"""Owns telling that the memory did not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sdcli.errors import OutOfMemory

_LESS = "try a smaller --batch-size or size"


@contextmanager
def memory_errors(doing: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors into ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"out of memory while {doing}", _LESS) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory(f"out of memory while {doing}", _LESS) from error
