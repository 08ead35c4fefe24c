"""Token merging: what goes together, what comes out again, and where in a run it happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import networks
from quick import slow
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.speed.token_merging import Matched, Merging, finest_blocks
from sdcli.request import GenerationRequest

SIZES = [(4, 4), (6, 4), (5, 7), (2, 3), (8, 8)]


def tokens(height: int, width: int, *, images: int = 2, seed: int = 0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(images, height * width, 6, generator=source)


def by_hand(x: Tensor, told: Tensor, height: int, width: int, ratio: float) -> tuple[Tensor, int]:
    """Token by token, of one image: what `told` becomes of merging by x, and how many are left."""

    def likeness(one: int, other: int) -> float:
        norms = x[one].norm() * x[other].norm()
        return float(x[one] @ x[other] / norms)

    places = range(height * width)
    aims = [
        row * width + column for row in range(0, height - 1, 2) for column in range(0, width - 1, 2)
    ]
    nearest = {k: max(aims, key=lambda a: likeness(k, a)) for k in places if k not in aims}
    ranked = sorted(nearest, key=lambda k: -likeness(k, nearest[k]))
    gone = ranked[: int(height * width * ratio)]
    groups = {k: [k] for k in places if k not in gone}
    for k in gone:
        groups[nearest[k]].append(k)
    out = torch.empty_like(told)
    for members in groups.values():
        out[members] = sum(told[k] for k in members) / len(members)
    return out, len(groups)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_merging_is_that_done_by_hand(size: tuple[int, int], ratio: float) -> None:
    """Row by row, cells that are not whole among them: their tokens are nobody's aims."""
    x, told = tokens(*size), tokens(*size, seed=1)
    matched = Matched(x, size, ratio)
    fewer = matched.merged(told)
    back = matched.unmerged(fewer)
    for k in range(len(x)):
        wanted, left = by_hand(x[k], told[k], *size, ratio)
        assert fewer.shape[1] == left
        assert torch.allclose(back[k], wanted, atol=1e-6)


def test_many_tokens_are_compared_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    x = tokens(8, 8)
    whole = Matched(x, (8, 8), 0.5).merged(x)
    monkeypatch.setattr("sdcli.engine.speed.token_merging._AT_ONCE", 7)
    assert torch.allclose(Matched(x, (8, 8), 0.5).merged(x), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tokens_that_are_all_alike_stay_as_they_are(dtype: torch.dtype) -> None:
    """A sum of so many in half precision would not grow any more."""
    x = torch.full((2, 64 * 64, 3), 0.7).to(dtype)
    matched = Matched(x, (64, 64), 0.75)
    assert torch.allclose(matched.unmerged(matched.merged(x)), x, rtol=1e-4)


@pytest.mark.parametrize("ratio", [0.3, 0.75])
def test_tokens_like_their_aims_come_back(ratio: float) -> None:
    """Each cell of one colour, so that nothing is lost."""
    cells = tokens(4, 4).unflatten(1, (4, 4))
    x = cells.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)
    matched = Matched(x, (8, 8), ratio)
    assert torch.allclose(matched.unmerged(matched.merged(x)), x)


def test_an_image_is_merged_beside_others_as_alone() -> None:
    x = tokens(8, 8, images=3)
    together = Matched(x, (8, 8), 0.5).merged(x)
    for k in range(3):
        alone = x[k : k + 1]
        assert torch.equal(Matched(alone, (8, 8), 0.5).merged(alone), together[k : k + 1])


def image(engine: Engine, **changes: Any) -> np.ndarray:
    values = {"prompt": "a red circle", "seed": 1, "steps": 4} | changes
    return np.asarray(engine.generate(GenerationRequest(**values)).image, np.int16)


@contextmanager
def attending(engine: Engine) -> Iterator[dict[str, set[int]]]:
    """How many tokens attend to one another in each self-attention, by its name."""
    unet, seen = engine._components.backbone.network, dict[str, set[int]]()
    hooks = []
    for name, layer in unet.named_modules():
        if name.endswith("attn1"):
            count = seen.setdefault(name, set())

            def note(_: Any, given: Any, __: Any, count: set[int] = count) -> None:
                count.add(given[0].shape[1])

            hooks.append(layer.to_k.register_forward_hook(note))
    yield seen
    for hook in hooks:
        hook.remove()


def test_the_finest_maps_alone_have_fewer_tokens(builtin: Engine) -> None:
    """The shipped model's are of 16 × 16."""
    with attending(builtin) as plain:
        image(builtin)
    with attending(builtin) as merged:
        image(builtin, token_merging_ratio=0.5)
    finest = {name for name, counts in plain.items() if counts == {256}}
    assert finest == {
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1",
        *(f"up_blocks.2.attentions.{k}.transformer_blocks.0.attn1" for k in range(2)),
    }
    assert merged == {k: {128} if k in finest else counts for k, counts in plain.items()}
    assert len(finest_blocks(builtin._components.backbone.network)) == len(finest)


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        slow({"token_merging_ratio": 0.5}, {128, 288}),
        ({"token_merging_ratio": 0.5, "token_merging_ratio_hr": 0.25}, {128, 432}),
        slow({"token_merging_ratio_hr": 0.75}, {256, 144}),
    ],
)
def test_each_pass_of_a_hires_fix_has_its_ratio(
    builtin: Engine, asked: dict[str, float], counts: set[int]
) -> None:
    with attending(builtin) as seen:
        image(builtin, hires_scale=1.5, **asked)
    assert seen["down_blocks.0.attentions.0.transformer_blocks.0.attn1"] == counts


@pytest.mark.slow
def test_a_run_leaves_the_network_as_it_was(builtin: Engine) -> None:
    settled = {"prompt": "mountains at night", "steps": 10}
    before = image(builtin, **settled)
    merged = image(builtin, token_merging_ratio=0.5, **settled)
    assert 0 < np.abs(merged - before).mean() < 12
    assert np.array_equal(image(builtin, **settled), before)
    assert np.array_equal(image(builtin, token_merging_ratio=0.5, **settled), merged)


def test_a_call_that_fails_leaves_it_so_too(builtin: Engine) -> None:
    unet = builtin._components.backbone.network
    processors = dict(unet.attn_processors)
    with pytest.raises((IndexError, RuntimeError)), Merging(unet, 0.5).within(32, 32):
        unet(torch.zeros(1, 4, 16, 16), 1.0, torch.zeros(1, 77, unet.config.cross_attention_dim))
    assert unet.attn_processors == processors
    assert not any(block.norm1._forward_pre_hooks for block in finest_blocks(unet))


@pytest.mark.parametrize(
    "changes",
    [
        {"pag_scale": 3.0},
        slow({"tiling": True}),
        {"width": 136, "height": 120},
        slow({"cfg_scale": 1.0}),
        slow({"prompt": "a circle AND a square"}),
        slow({"ngms": 5.0, "ngms_all": True}),
        {"sampler": "Heun"},
    ],
    ids=str,
)
def test_it_goes_with_the_rest(builtin: Engine, changes: dict[str, Any]) -> None:
    plain = image(builtin, **changes)
    assert not np.array_equal(image(builtin, token_merging_ratio=0.5, **changes), plain)
    assert np.array_equal(image(builtin, **changes), plain)


@pytest.mark.slow
def test_pictures_of_a_batch_are_each_as_made_alone(builtin: Engine) -> None:
    requests = [
        GenerationRequest(prompt=prompt, seed=seed, steps=6, token_merging_ratio=0.5)
        for prompt, seed in [("a red circle", 1), ("a blue star", 2), ("a house", 3)]
    ]
    run = builtin.start(requests)
    list(run)
    for made, request in zip(run.pictures(), requests, strict=True):
        alone = builtin.generate(request).image
        difference = np.asarray(made.image, np.int16) - np.asarray(alone, np.int16)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(("kind", "count"), [("sd1", 5), ("sd2", 5), ("sdxl", 0)])
def test_the_finest_blocks_are_those_of_tomesd(kind: str, count: int) -> None:
    """Two on the way down and three on the way up, of an SDXL none."""
    assert len(finest_blocks(networks(kind, 100)["unet"])) == count


def test_where_nothing_attends_at_the_finest_it_is_told(
    tiny: Engine, builtin: Engine, picture: Path
) -> None:
    """As of Stable Diffusion XL; of a picture from a picture, too."""
    asked = {"prompt": "a fox", "seed": 1, "steps": 2, "init_img": str(picture)}
    for engine, merging, count in ((tiny, 0.5, 1), (tiny, 0.0, 0), (builtin, 0.5, 0)):
        said: list[str] = []
        request = GenerationRequest(token_merging_ratio=merging, **asked)
        list(engine.start([request], say=said.append))
        assert [line for line in said if "token merging has no effect" in line] == said
        assert len(said) == count
