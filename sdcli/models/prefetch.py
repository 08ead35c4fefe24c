"""Having the system read weight files while torch is still being imported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from .folder import weight_files
from .key_mapping import AVERAGE
from .model import Model

_BLOCK = 2**20  # bytes: Linux heeds no more of one request than it would read ahead by itself


def read_ahead(model: Model) -> Thread | None:
    """Ask for all files of the model's weights, and do not wait for them.

    What is cached already costs next to nothing. None where the system takes no such advice, and
    for a file with a running average, half of which nobody will read.
    """
    average = model.header and any(name.startswith(AVERAGE) for name in model.header.shapes)
    if average or not hasattr(os, "posix_fadvise"):
        return None
    thread = Thread(target=_ask, args=(_files(model),), name="read ahead", daemon=True)
    thread.start()
    return thread


def _files(model: Model) -> list[Path]:
    vae = [model.vae.path] if model.vae else []
    if model.header is not None:
        return [model.path, *vae]
    return [file for part in model.configs for file in weight_files(model.path / part)] + vae


def _ask(files: Sequence[Path]) -> None:
    for path in files:
        try:
            with path.open("rb") as file:
                for start in range(0, os.fstat(file.fileno()).st_size, _BLOCK):
                    os.posix_fadvise(file.fileno(), start, _BLOCK, os.POSIX_FADV_WILLNEED)
        except OSError:
            return  # it was advice; whoever loads the file tells what is wrong with it
