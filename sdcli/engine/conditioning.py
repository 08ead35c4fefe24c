"""Owns what text becomes: the embeddings that the UNet attends to, cached by text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sdcli.errors import UsageError
from sdcli.prompts.chunks import CHUNK, chunks, joined


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What a UNet is told of its prompts, one a row.

    `context` (rows, tokens, width) is attended to. `pooled` (rows, width) sums a prompt up for
    SDXL; None for the others.
    """

    context: Tensor
    pooled: Tensor | None = None

    @classmethod
    def of(cls, rows: Sequence[Conditioning]) -> Conditioning:
        """All rows beneath one another. Raises UsageError for prompts of different lengths."""
        if len({row.context.shape[1] for row in rows}) > 1:
            raise UsageError("prompts made at once must fill the same number of 75-token chunks")
        pooled = [row.pooled for row in rows if row.pooled is not None]
        return cls(torch.cat([row.context for row in rows]), torch.cat(pooled) if pooled else None)

    def empty(self) -> Conditioning:
        """The same shapes, all zero: what SDXL was trained with in the place of no text."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return Conditioning(torch.zeros_like(self.context), pooled)

    def added(self, width: int, height: int) -> dict[str, Tensor] | None:
        """SDXL's further arguments for a picture of that size, uncropped; None for the others."""
        if self.pooled is None:
            return None
        sizes = [height, width, 0, 0, height, width]  # as it was, cut at, as it is to be
        ids = torch.tensor([sizes], device=self.pooled.device, dtype=self.pooled.dtype)
        return {"text_embeds": self.pooled, "time_ids": ids.expand(len(self.pooled), -1)}


class Clip:
    """One CLIP with its tokenizer.

    With `bare` the hidden state before the last layer is taken, and its final norm left out, as
    SDXL does; else the one `skip` layers from the end (1: the last), and normed.
    """

    def __init__(
        self, tokenizer: Any, model: Any, *, device: torch.device, bare: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._device = device
        self._bare = bare
        self._comma = tokenizer.convert_tokens_to_ids(",</w>")
        self._words: dict[tuple[int, ...], tuple[int, ...]] = {}

    @property
    def width(self) -> int:
        """Of its tokens' vectors."""
        return int(self._model.get_input_embeddings().weight.shape[1])

    def learn(self, name: str, vectors: Tensor) -> None:
        """Let `name` stand for these vectors, (tokens, width), wherever a text has it.

        Raises UsageError where the weights are offloaded layer by layer.
        """
        table = self._model.get_input_embeddings()
        if table.weight.is_meta:
            raise UsageError(
                "--offload: sequential keeps the words where none can be added", "--offload model"
            )
        first = len(table.weight)
        grown = torch.cat([table.weight, vectors.to(table.weight)])
        table.weight = torch.nn.Parameter(grown, requires_grad=False)
        table.num_embeddings = len(grown)
        self._words[tuple(self._ids(name))] = tuple(range(first, len(grown)))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def __call__(self, text: str, skip: int) -> tuple[Tensor, Tensor | None]:
        """(1, 77·chunks, width), all chunks in a row; and the first one's summary, if any."""
        units = joined(self._ids(text), self._words)
        start, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        pad = self._tokenizer.pad_token_id
        rows = [
            [start, *chunk, end, *[pad] * (CHUNK - len(chunk))]
            for chunk in chunks(units, comma=self._comma)
        ]
        batch = torch.tensor(rows, device=self._device)  # (chunks, 77)
        early = self._bare or skip > 1
        said = self._model(input_ids=batch, return_dict=True, output_hidden_states=early)
        hidden = said.last_hidden_state
        if self._bare:
            hidden = said.hidden_states[-2]
        elif early:
            hidden = self._model.final_layer_norm(said.hidden_states[-skip])
        pooled = getattr(said, "text_embeds", None)
        whole = hidden.reshape(1, -1, hidden.shape[-1])
        return whole, None if pooled is None else pooled[:1]


class TextEncoder:
    """A model's text encoders together. The same text is encoded once."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = clips
        self._cache: dict[tuple[str, int], Conditioning] = {}

    def __call__(self, text: str, *, skip: int = 1, negative: bool = False) -> Conditioning:
        """One row. Of SDXL, an empty `negative` prompt is zeros, as A1111 has it.

        `skip` is A1111's clip skip, which only Stable Diffusion 1 heeds.
        """
        key = (text, skip)
        if key not in self._cache:
            self._cache[key] = self._encode(text, skip)
        found = self._cache[key]
        return found.empty() if negative and not text and found.pooled is not None else found

    def forget(self) -> None:
        """Encode every text anew: the weights are others."""
        self._cache.clear()

    @torch.inference_mode()
    def _encode(self, text: str, skip: int) -> Conditioning:
        said = [clip(text, skip) for clip in self.clips]
        return Conditioning(torch.cat([hidden for hidden, _ in said], dim=-1), said[-1][1])
