"""Textual inversions (Gal et al. 2022): words whose vectors come from a file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sdcli.engine.text import TextEncoder
from sdcli.engine.weights.fill import unpickle
from sdcli.errors import ModelError
from sdcli.models.embedding_names import in_texts
from sdcli.models.header import layout_of
from sdcli.models.library import ModelFile
from sdcli.prompts.chunks import CHUNK


def read_vectors(path: Path) -> list[Tensor]:
    """Read the vectors of a file, (tokens, width) for each text encoder that it is for.

    It may be A1111's .pt (`string_to_param`), diffusers' (one tensor under the word), or SDXL's
    pair. Raises ModelError for a damaged file, one that would run code, and one that holds
    something else.
    """
    try:
        if layout_of(path) == "safetensors":
            content: Any = load_file(path)
        else:
            content = unpickle(path, [torch.nn.ParameterDict])
    except (OSError, SafetensorError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"cannot read the embedding {path}: {reason}") from error
    content = content.get("string_to_param", content)
    names = [name for name in ("clip_l", "clip_g") if name in content] or list(content)[:1]
    vectors = [content[name] for name in names]
    if not vectors or not all(isinstance(vector, Tensor) for vector in vectors):
        raise ModelError(f"there is no embedding in {path}")
    return [torch.atleast_2d(vector.detach().float()) for vector in vectors]


class Embeddings:
    """Teaches text encoders the words that prompts use, and only those, each once."""

    def __init__(self, known: Sequence[ModelFile], encoder: TextEncoder) -> None:
        self._known = {item.name: item for item in known}
        self._encoder = encoder
        self._learnt: set[str] = set()

    def learn(self, texts: Sequence[str], say: Callable[[str], None]) -> bool:
        """Read the embeddings whose names stand in the texts; whether any is new.

        `say` is told of one that is for another family: its name stays plain text, as in A1111.
        Raises ModelError.
        """
        fresh = in_texts(self._known.keys() - self._learnt, texts)
        for name in fresh:
            vectors = read_vectors(self._known[name].path)
            widths = tuple(vector.shape[1] for vector in vectors)
            if max(map(len, vectors)) > CHUNK:
                raise ModelError(
                    f"embedding {name} has more than {CHUNK} vectors, the most a prompt can hold"
                )
            if widths != self._encoder.widths:
                say(f"embedding {name} is for another model family: its name is read as plain text")
            else:
                self._encoder.learn(name, vectors)
            self._learnt.add(name)
        return bool(fresh)
