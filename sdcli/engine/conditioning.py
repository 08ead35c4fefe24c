"""Owns what text becomes: the embeddings that the UNet attends to, cached by text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sdcli.prompts.chunks import CHUNK, chunks


class TextEncoder:
    """CLIP with its tokenizer. The same text is encoded once."""

    def __init__(self, tokenizer: Any, model: Any, *, device: torch.device) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._device = device
        self._comma = tokenizer.convert_tokens_to_ids(",</w>")
        self._cache: dict[str, Tensor] = {}

    def __call__(self, text: str) -> Tensor:
        """(1, 77·chunks, width): the last hidden state, final norm included, chunk after chunk."""
        if text not in self._cache:
            self._cache[text] = self._encode(text)
        return self._cache[text]

    @torch.inference_mode()
    def _encode(self, text: str) -> Tensor:
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        start, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        pad = self._tokenizer.pad_token_id
        rows = [
            [start, *chunk, end, *[pad] * (CHUNK - len(chunk))]
            for chunk in chunks(ids, comma=self._comma)
        ]
        batch = torch.tensor(rows, device=self._device)  # (chunks, 77)
        hidden = self._model(input_ids=batch, return_dict=True).last_hidden_state
        return hidden.reshape(1, -1, hidden.shape[-1])
