"""Owns writing a converted model where it was asked for: whole, or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from sdcli.errors import OutputError
from sdcli.files import publish
from sdcli.models import Model


def write(model: Model, path: Path, *, dtype: str) -> None:
    """Write the model as a single file (.safetensors) or else as a folder; `dtype` "" is its own.

    Raises OutputError where it cannot be written, ModelError where it cannot be read.
    """
    from sdcli.engine.convert import to_folder, to_single_file
    from sdcli.engine.device import DTYPES

    single = path.suffix == ".safetensors"
    make: Callable[..., None] = to_single_file if single else to_folder
    temporary = path.parent / f".sdcli-{secrets.token_hex(6)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(model, temporary, dtype=DTYPES[dtype] if dtype else None)
        if single:
            publish(temporary, path, overwrite=False)
        else:
            temporary.rename(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)
