"""What `sdcli models` tells of a file or folder, without loading it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from sdcli import models
from sdcli.errors import SdcliError

from . import folder, hashes
from .header import read_header
from .library import ModelFile
from .prediction import Predicts
from .single_file import METADATA, family_of, predicts_of, read_checkpoint


def facts_of(item: ModelFile) -> dict[str, Any]:
    """Return what `models list --json` tells of a file or folder."""
    return {
        "name": item.name,
        "title": item.title,
        "kind": item.kind,
        "path": str(item.path),
        "family": family_title(item.path),
        "bytes": _bytes(item.path),
        "sha256": hashes.remembered(item.path),
    }


def family_title(path: Path) -> str:
    """Return the family's title; what else it is; or what is wrong with the file."""
    try:
        if path.is_dir():
            return folder.inspect(path, path.name).family.title
        return family_of(read_checkpoint(path)).title
    except SdcliError as error:
        return error.message.removeprefix(f"--model: {path}: ").removeprefix("this file is ")


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def size(path: Path) -> str:
    """Format the size of a file, or of all files in a folder."""
    return f"{_bytes(path) / 2**20:,.0f} MiB"


def short_hash(path: Path) -> str:
    """Return the first ten digits, where the hash is known already."""
    return (hashes.remembered(path) or "")[:10]


def model_facts(path: Path) -> dict[str, Any]:
    """Return what `models info` tells. Raises ModelError for what is no model."""
    if path.is_dir():
        model = folder.inspect(path, str(path))
        files = [file for part in model.configs for file in models.weight_files(path / part)]
        family, native = model.family.title, model.native_size
        predicts = Predicts(model.prediction, model.prediction_by)
    else:
        files = [path]
        header = read_checkpoint(path)
        row = family_of(header)
        family, native, predicts = row.title, row.native_size, predicts_of(path, header, row)
    headers = [read_header(file) for file in files]
    formats = Counter(kind for header in headers for kind in header.formats.values())
    weights = sum(math.prod(shape) for header in headers for shape in header.shapes.values())
    return {
        "path": str(path),
        "model": family,
        "prediction": predicts.prediction,
        "known by": predicts.by or None,
        "native size": native,
        "parameters": weights,
        "formats": dict(formats),
        "bytes": _bytes(path),
        "sha256": hashes.remembered(path),
        "metadata": {
            key: text
            for header in headers
            for key, text in header.metadata.items()
            if key != METADATA
        },
    }
