"""Attention of transformer blocks: as diffusers has it, but a prompt is read once a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary


def attend(network: nn.Module) -> None:
    """Let the attention layers of a network's transformer blocks work as `Attending` does."""
    for block in network.modules():
        if isinstance(block, BasicTransformerBlock):
            for layer in (block.attn1, block.attn2):
                if layer is not None:
                    layer.set_processor(Attending())


@contextmanager
def prompts_read_anew(network: nn.Module) -> Iterator[None]:
    """Let nothing that was read of a prompt be used again in this context."""
    every = (getattr(layer, "processor", None) for layer in network.modules())
    processors = [each for each in every if isinstance(each, Attending)]
    for each in processors:
        each.anew = True
    try:
        yield
    finally:
        for each in processors:
            each.anew = False


class Attending:
    """In the place of diffusers' processor for one layer, without masks.

    Keys and values of a prompt's embeddings are the same at every step: they are worked out once,
    and kept for as long as the embeddings are; or `anew` at every call.
    """

    def __init__(self) -> None:
        self._known = WeakTensorKeyDictionary()
        self.anew = False

    def __call__(
        self,
        layer: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
        **_: Any,
    ) -> Tensor:
        """Let `hidden_states` (images, places, width) attend to themselves or to embeddings."""
        query = _heads(layer.to_q(hidden_states), layer.heads)
        if encoder_hidden_states is None:
            key, value = self._read(layer, hidden_states)
        elif self.anew or torch.compiler.is_compiling():  # compiled code cannot look things up
            key, value = self._read(layer, encoder_hidden_states)
        else:
            key, value = self._read_once(layer, encoder_hidden_states)
        attended = functional.scaled_dot_product_attention(query, key, value)
        project, dropout = layer.to_out
        output: Tensor = dropout(project(attended.transpose(1, 2).flatten(2)))
        return output

    def _read_once(self, layer: Any, prompts: Tensor) -> tuple[Tensor, Tensor]:
        pair: tuple[Tensor, Tensor] | None = self._known.get(prompts)
        if pair is None:
            pair = self._known[prompts] = self._read(layer, prompts)
        return pair

    def _read(self, layer: Any, source: Tensor) -> tuple[Tensor, Tensor]:
        return _heads(layer.to_k(source), layer.heads), _heads(layer.to_v(source), layer.heads)


def _heads(x: Tensor, heads: int) -> Tensor:
    """Turn (images, places, width) into (images, heads, places, width of a head)."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)
