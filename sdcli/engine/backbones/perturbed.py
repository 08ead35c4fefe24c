"""Attention that is perturbed for guidance: each place attends to itself alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def self_attending_to_itself(block: nn.Module) -> Iterator[None]:
    """Let the block's self-attention give every place its own value in this context.

    Ahn et al. 2024, §4.
    """
    layers: list[Any] = [layer for name, layer in block.named_modules() if name.endswith("attn1")]
    processors = [layer.processor for layer in layers]
    for layer in layers:
        layer.processor = _ToItself()
    try:
        yield
    finally:
        for layer, processor in zip(layers, processors, strict=True):
            layer.processor = processor


class _ToItself:
    """In the place of diffusers' processors: the map from each place to each is the identity."""

    def __call__(self, attention: Any, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        project, dropout = attention.to_out
        output: Tensor = dropout(project(attention.to_v(hidden)))
        return output
