"""How the UNet attends: the same numbers as diffusers', prompts read once a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.speed.attention import attend
from sdcli.request import GenerationRequest


def layers(engine: Engine, name: str) -> list[Any]:
    """attn1 (of places to places) or attn2 (of places to the prompt)."""
    found = engine._components.backbone.network.named_modules()
    return [module for path, module in found if path.endswith(name)]


@contextmanager
def as_diffusers_does(engine: Engine) -> Iterator[None]:
    unet = engine._components.backbone.network
    unet.set_attn_processor(AttnProcessor2_0())
    try:
        yield
    finally:
        attend(unet)


def asked(engine: Engine, seed: int = 0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    unet = engine._components.backbone.network
    x = torch.randn(2, 4, 16, 16, generator=source)
    told = torch.randn(2, 77, unet.config.cross_attention_dim, generator=source)
    with torch.inference_mode():
        return unet(x, torch.tensor(500.0), told, return_dict=False)[0]


def test_a_call_is_that_of_diffusers_to_the_last_bit(builtin: Engine) -> None:
    ours = asked(builtin)
    with as_diffusers_does(builtin):
        assert torch.equal(asked(builtin), ours)


def test_other_embeddings_are_read_anew(builtin: Engine) -> None:
    assert not torch.equal(asked(builtin, 1), asked(builtin, 2))
    assert torch.equal(asked(builtin, 1), asked(builtin, 1))


def test_a_prompt_is_read_once_a_run(tiny: Engine) -> None:
    counts = {"attn1": 0, "attn2": 0}

    def count(name: str) -> Any:
        def hook(*_: Any) -> None:
            counts[name] += 1

        return hook

    hooks = [
        layer.to_k.register_forward_hook(count(name))
        for name in counts
        for layer in layers(tiny, name)
    ]
    request = GenerationRequest(
        prompt="a fox", seed=1, steps=7, sampler="Euler", width=64, height=64
    )
    for run in (1, 2):
        tiny.generate(request)
        assert counts["attn1"] == run * 7 * len(layers(tiny, "attn1"))
        assert counts["attn2"] == run * len(layers(tiny, "attn2"))
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize(
    ("asked", "readings"),
    [
        ({"prompt": "a fox"}, 1),
        ({"prompt": "a fox", "ngms": 100.0}, 2),  # every other call without the negative prompt
        ({"prompt": "a [fox|hen]"}, 2),
        ({"prompt": "a [fox|hen]", "ngms": 100.0}, 3),  # the first word holds for two calls
    ],
    ids=str,
)
def test_prompts_that_alternate_are_read_once_each(
    tiny: Engine, asked: Mapping[str, Any], readings: int
) -> None:
    layer = layers(tiny, "attn2")[0]
    seen = []
    hook = layer.to_k.register_forward_hook(lambda *_: seen.append(1))
    tiny.generate(
        GenerationRequest(**asked, seed=1, steps=12, sampler="Euler", width=64, height=64)
    )
    hook.remove()
    assert len(seen) == readings


def test_what_was_read_goes_with_its_embeddings(builtin: Engine) -> None:
    asked(builtin)
    gc.collect()
    assert not any(len(layer.processor._known) for layer in layers(builtin, "attn2"))
