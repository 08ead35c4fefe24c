"""DeepCache: which calls are shallow, that these are right, and that nothing is mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import networks
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.backbones.perturbed import self_attending_to_itself
from sdcli.engine.run import Run
from sdcli.engine.speed.attention import attend
from sdcli.engine.speed.blocks import save_memory
from sdcli.engine.speed.deep_cache import entering_last_layer, last_layer_alone
from sdcli.engine.speed.token_merging import Merging
from sdcli.request import GenerationRequest

KINDS = ("builtin", "sd1", "sd1-inpainting", "sdxl")


@pytest.fixture(scope="module", params=KINDS)
def unet(request: pytest.FixtureRequest, builtin: Engine) -> Any:
    """The shipped model's, and random ones of Stable Diffusion's families."""
    if request.param == "builtin":
        return builtin._components.backbone.network
    kind, _, more = request.param.partition("-")
    torch.manual_seed(3)
    found = networks(kind, 100, channels=9 if more else 4)["unet"].eval()
    attend(found)
    save_memory(found)
    return found


def asked(unet: Any, seed: int = 0, *, rows: int = 2) -> dict[str, Any]:
    """A call of it."""
    source = torch.Generator().manual_seed(seed)
    config = unet.config

    def normal(*shape: int) -> Tensor:
        return torch.randn(rows, *shape, generator=source)

    xl = config.addition_embed_type == "text_time"
    sizes = torch.tensor([[128.0, 128, 0, 0, 128, 128]] * rows)
    return {
        "sample": normal(config.in_channels, 16, 24),
        "timestep": torch.full((rows,), 700.0 - 100 * seed),
        "encoder_hidden_states": normal(77, config.cross_attention_dim),
        "added_cond_kwargs": {"text_embeds": normal(128), "time_ids": sizes} if xl else None,
        "return_dict": False,
    }


def by_hand(unet: Any, hidden: Tensor, call: dict[str, Any]) -> Tensor:
    """The last layer alone, module by module."""
    x, told = call["sample"], call["encoder_hidden_states"]
    time = unet.time_embedding(unet.get_time_embed(x, call["timestep"]), None)
    more = unet.get_aug_embed(time, told, call["added_cond_kwargs"])
    time = time if more is None else time + more
    last = unet.up_blocks[-1]
    hidden = last.resnets[-1](torch.cat([hidden, unet.conv_in(x)], dim=1), time)
    if hasattr(last, "attentions"):
        hidden = last.attentions[-1](hidden, encoder_hidden_states=told, return_dict=False)[0]
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))


@torch.inference_mode()
def test_on_the_same_input_the_last_layer_says_what_all_of_it_says(unet: Any) -> None:
    with entering_last_layer(unet) as seen:
        [whole] = unet(**asked(unet))
    with last_layer_alone(unet, seen[0]):
        [shallow] = unet(**asked(unet))
    assert torch.equal(shallow, whole)
    rows = torch.cat(seen[0].split(1))
    with last_layer_alone(unet, rows):
        assert torch.equal(unet(**asked(unet))[0], whole)


@torch.inference_mode()
def test_on_another_input_it_says_what_its_modules_do(unet: Any) -> None:
    with entering_last_layer(unet) as seen:
        unet(**asked(unet))
    other = asked(unet, 1)
    with last_layer_alone(unet, seen[0]):
        [shallow] = unet(**other)
    assert torch.equal(shallow, by_hand(unet, seen[0], other))
    assert not torch.allclose(shallow, unet(**other)[0], atol=1e-4)


def test_the_unet_is_whole_again(unet: Any) -> None:
    before = dict(unet.named_modules())
    with pytest.raises(IndexError), last_layer_alone(unet, torch.zeros(1)):
        unet(**asked(unet))
    after = dict(unet.named_modules())
    assert list(after) == list(before)
    assert all(after[name] is module for name, module in before.items())
    assert not unet.up_blocks[-1].resnets[-1]._forward_pre_hooks


@contextmanager
def counting(engine: Engine) -> Iterator[list[tuple[str, int]]]:
    """The calls of the UNet: whole or shallow, and of how many rows."""
    seen: list[tuple[str, int]] = []
    unet = engine._components.backbone.network

    def note(which: str) -> Any:
        return lambda _, given, *__: seen.append((which, len(given[0])))

    hooks = [
        unet.conv_in.register_forward_pre_hook(note("shallow")),
        unet.mid_block.register_forward_pre_hook(lambda *_: seen.append(("whole", seen.pop()[1]))),
    ]
    yield seen
    for hook in hooks:
        hook.remove()


def request(**changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 1, "steps": 7, "sampler": "Euler"}
    return GenerationRequest(**(values | changes))


def calls(engine: Engine, **changes: Any) -> list[tuple[str, int]]:
    with counting(engine) as seen:
        engine.generate(request(**changes))
    return seen


def image(engine: Engine, **changes: Any) -> np.ndarray:
    return np.asarray(engine.generate(request(**changes)).image, np.int16)


W, S = "whole", "shallow"


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({}, [(W, 2)] * 7),
        ({"deep_cache": 2}, [(W, 2), (S, 2)] * 3 + [(W, 2)]),
        ({"deep_cache": 3}, [(W, 2), (S, 2), (S, 2)] * 2 + [(W, 2)]),
        ({"deep_cache": 9}, [(W, 2)] + [(S, 2)] * 6),
        ({"deep_cache": 2, "cfg_scale": 1}, [(W, 1), (S, 1)] * 3 + [(W, 1)]),
    ],
    ids=str,
)
def test_every_so_many_calls_all_of_it_runs(
    tiny: Engine, changes: dict[str, Any], made: list[tuple[str, int]]
) -> None:
    assert calls(tiny, **changes) == made


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        pytest.param(
            {"deep_cache": 3, "sampler": "Heun", "steps": 3},
            [(W, 2), (S, 2), (S, 2), (W, 2), (S, 2)],
            id="two calls a step but for the last",
        ),
        pytest.param(
            {"deep_cache": 2, "ngms": 99},
            [(W, 2), (S, 1)] * 3 + [(W, 2)],
            id="the prompt's row is that of the call for both",
        ),
        pytest.param(
            {"deep_cache": 3, "ngms": 99, "steps": 6},
            [(W, 2), (S, 1), (S, 2), (W, 1), *[(S, 1), (W, 1)], (S, 1)],
            id="the negative prompt's grows too old at the fifth call",
        ),
        pytest.param(
            {"deep_cache": 4, "skip_early_cfg": 0.2, "steps": 6},
            [(W, 1), (S, 1), *[(S, 1), (W, 1)], (S, 2), *[(S, 1), (W, 1)], (S, 2)],
            id="nothing is left of a negative prompt that was not asked",
        ),
        pytest.param(
            {"deep_cache": 2, "pag_scale": 3, "steps": 3},
            [(W, 2), (W, 1), (S, 2), (S, 1), (W, 2), (W, 1)],
            id="perturbed calls have their own",
        ),
        pytest.param(
            {"deep_cache": 2, "prompt": "a b c d " * 30, "steps": 3},
            [(W, 1), (W, 1), (S, 1), (S, 1), (W, 1), (W, 1)],
            id="prompts of different lengths are asked apart",
        ),
        pytest.param(
            {"deep_cache": 9, "prompt": "[a:b:4]", "cfg_scale": 1},
            [(W, 1), *[(S, 1)] * 4, (W, 1), (S, 1)],
            id="another prompt is another row",
        ),
        pytest.param(
            {"deep_cache": 9, "prompt": "[a:b:4]"},
            [(W, 2), *[(S, 2)] * 4, *[(S, 1), (W, 1)], (S, 2)],
            id="which alone is asked anew",
        ),
        pytest.param(  # a a b a b a b, for A1111 counts calls from 0 and times from 1
            {"deep_cache": 3, "prompt": "[a|b]", "cfg_scale": 1},
            [(W, 1), (S, 1), (W, 1), (W, 1), (S, 1), (S, 1), (W, 1)],
            id="one that comes again is known",
        ),
    ],
)
def test_which_calls_are_shallow(
    tiny: Engine, changes: dict[str, Any], made: list[tuple[str, int]]
) -> None:
    assert calls(tiny, **changes) == made


def test_shallow_calls_are_counted_as_any(tiny: Engine) -> None:
    plain, fewer = (tiny.generate(request(deep_cache=n)).evaluations for n in (1, 3))
    assert plain == fewer == 7


def test_each_pass_of_a_hires_fix_begins_anew(tiny: Engine) -> None:
    seen = calls(tiny, deep_cache=4, steps=3, hires_scale=1.5, hires_strength=1.0)
    assert seen == ([(W, 2)] + [(S, 2)] * 2) * 2


def test_a_sampler_that_chooses_its_steps_counts_calls(tiny: Engine) -> None:
    seen = calls(tiny, deep_cache=2, sampler="DPM adaptive", max_evals=9)
    assert seen == [((W, S)[k % 2], 2) for k in range(len(seen))]
    assert len(seen) > 4


def test_a_run_leaves_nothing_behind(builtin: Engine) -> None:
    before = image(builtin)
    run = builtin.start([request(deep_cache=3)])
    assert isinstance(run, Run)
    steps = iter(run)
    next(steps)
    cache = run._counted._cache
    assert cache is not None
    assert len(cache._cached) == 2
    list(steps)
    assert cache._cached == {}
    assert np.array_equal(image(builtin), before)


@pytest.mark.slow
def test_the_picture_is_another_but_alike(builtin: Engine) -> None:
    plain = image(builtin, steps=20)
    apart = [np.abs(image(builtin, steps=20, deep_cache=n) - plain).mean() for n in (2, 3, 6)]
    assert 0 < apart[0] < apart[1] < apart[2] < 40


def test_what_is_as_it_was_is_made_as_it_was(tiny: Engine) -> None:
    """A call again at the same noise: shallow, and to the last bit what it said before."""
    run = tiny.start([request(deep_cache=2, pag_scale=3.0)])
    assert isinstance(run, Run)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), counting(tiny) as seen:
        first, second = run._denoise(x, 5.0), run._denoise(x, 5.0)
    assert torch.equal(first, second)
    assert seen == [(W, 2), (W, 1), (S, 2), (S, 1)]


@torch.inference_mode()
def test_perturbed_calls_differ(builtin: Engine) -> None:
    unet = builtin._components.backbone.network
    with entering_last_layer(unet) as seen:
        unet(**asked(unet))
        with self_attending_to_itself(unet.mid_block):
            unet(**asked(unet))
    plain, perturbed = seen
    assert not torch.allclose(plain, perturbed, atol=1e-3)


PROMPTS = ("a red circle", "a blue star " * 40, "[a|an old] house", "a fox AND a hen")


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"ngms": 99}, {"token_merging_ratio": 0.5}], ids=str)
def test_pictures_of_a_batch_are_each_as_made_alone(builtin: Engine, more: dict[str, Any]) -> None:
    """Though prompts of different lengths are asked in groups."""
    requests = [
        request(prompt=prompt, seed=seed, deep_cache=3, steps=8, **more)
        for seed, prompt in enumerate(PROMPTS)
    ]
    run = builtin.start(requests)
    list(run)
    for made, one in zip(run.pictures(), requests, strict=True):
        alone = builtin.generate(one).image
        difference = np.asarray(made.image, np.int16) - np.asarray(alone, np.int16)
        assert np.abs(difference).max() <= 1


@torch.inference_mode()
def test_the_last_layer_alone_merges_tokens_too(builtin: Engine) -> None:
    unet = builtin._components.backbone.network
    merging = Merging(unet, 0.5)
    counts: list[int] = []
    layers = [m for name, m in unet.named_modules() if name.endswith("attn1.to_q")]
    hooks = [m.register_forward_pre_hook(lambda _, x: counts.append(x[0].shape[1])) for m in layers]
    with entering_last_layer(unet) as seen:
        unet(**asked(unet))
    counts.clear()
    with merging.within(16, 24), last_layer_alone(unet, seen[0]):
        unet(**asked(unet))
    assert counts == [16 * 24 // 2]
    for hook in hooks:
        hook.remove()


def test_a_picture_to_begin_from_and_a_mask(tiny: Engine, picture: Path) -> None:
    masked = {"init_img": str(picture), "mask_rect": ["0,0,32,64"], "steps": 8}
    assert calls(tiny, deep_cache=2, **masked) == [(W, 2), (S, 2)] * 3 + [(W, 2)]
    assert image(tiny, deep_cache=2, **masked).shape == (64, 64, 3)
