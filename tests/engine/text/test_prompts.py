"""The prompt language on a model: weights, edits and AND do what their arithmetic says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import clips

from sdcli.engine import Engine, Run, Tiled, TwoPasses
from sdcli.request import GenerationRequest


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Engine:
    """With embeddings whose mean is not nearly 0, as a trained encoder's is not."""
    engine = Engine.load(str(tiny_folder), device="cpu")
    clip = clips(engine)[0]._model
    norm = getattr(clip, "text_model", clip).final_layer_norm
    norm.bias.data += 0.3
    return engine


def request(prompt: str = "a fox", **changes: Any) -> GenerationRequest:
    return GenerationRequest(**({"prompt": prompt, "seed": 1, "steps": 6} | changes))


def picture(engine: Engine, prompt: str = "a fox", **changes: Any) -> np.ndarray:
    return np.asarray(engine.generate(request(prompt, **changes)).image, np.int16)


def context(engine: Engine, *texts: str, **options: Any) -> torch.Tensor:
    """(texts, tokens, width) of texts that one prompt is in turn."""
    return torch.cat([row.context for row in engine.text_encoder.encode(texts, **options)])


def test_a_weight_scales_what_a_token_became_and_keeps_the_mean(tiny: Engine) -> None:
    weights = torch.ones(1, 77, 1)
    weights[:, 3] = 1.5  # after the start, "a" and "b"
    told = context(tiny, "a b (c:1.5)")
    plain = context(tiny, "a b c")
    scaled = plain * weights
    assert torch.allclose(told, scaled * (plain.mean() / scaled.mean()), atol=1e-6)
    assert torch.allclose(context(tiny, "a b (c:1.5)", emphasis="no-norm"), scaled, atol=1e-6)
    assert torch.equal(context(tiny, "a b (c:1.5)", emphasis="ignore"), plain)
    literal = context(tiny, "a b (c:1.5)", emphasis="none")
    assert not torch.allclose(literal, plain, atol=1e-3)


def test_weights_of_one_change_nothing(tiny: Engine) -> None:
    assert torch.equal(context(tiny, "a (b:1.0) [(c)]"), context(tiny, "a b c"))


def test_texts_of_one_prompt_share_a_mean(tiny: Engine) -> None:
    """As often as each of them stands there: A1111 reads them all in one batch."""
    plain = context(tiny, "a", "b", "b")
    weights = torch.ones(3, 77, 1)
    weights[1:, 1] = 2.0
    scaled = plain * weights
    told = context(tiny, "a", "(b:2)", "(b:2)")
    assert torch.allclose(told, scaled * (plain.mean() / scaled.mean()), atol=1e-6)
    assert not torch.allclose(told[:1], context(tiny, "a"), atol=1e-6)


def test_texts_of_one_prompt_have_the_longest_ones_chunks(tiny: Engine) -> None:
    rows = context(tiny, "a", "b " * 80)
    assert rows.shape[:2] == (2, 2 * 77)
    assert torch.allclose(rows[0, 77:], context(tiny, "")[0], atol=1e-6)
    assert torch.allclose(rows[0, :77], context(tiny, "a")[0], atol=1e-6)


def test_break_begins_a_chunk(tiny: Engine) -> None:
    rows = context(tiny, "a BREAK b")[0]
    assert torch.allclose(rows, context(tiny, "a", "b").reshape(2 * 77, -1), atol=1e-6)


def test_every_word_of_a_long_prompt_counts(tiny: Engine) -> None:
    long = ", ".join("abcde" * 40)
    assert context(tiny, f"{long}, x").shape[1] == 6 * 77
    assert not np.array_equal(picture(tiny, f"{long}, x"), picture(tiny, f"{long}, y"))


def test_an_edited_prompt_is_each_of_its_texts_in_turn(tiny: Engine) -> None:
    """DPM++ 2M's six calls: "from" for one more than it says."""
    run = tiny.start([request("[fox:red:2]", cfg_scale=1)])
    asked = contexts(tiny, run)
    before, after = context(tiny, "fox", "red")
    expected = [before] * 3 + [after] * 3
    assert [torch.equal(row[0], wanted) for row, wanted in zip(asked, expected, strict=True)] == (
        [True] * 6
    )
    assert not np.array_equal(picture(tiny, "[fox:red:2]"), picture(tiny, "fox"))
    assert not np.array_equal(picture(tiny, "[fox:red:2]"), picture(tiny, "red"))
    assert np.array_equal(picture(tiny, "[fox:red:0]"), picture(tiny, "red"))


def test_times_of_a_second_order_sampler_are_model_calls(tiny: Engine) -> None:
    run = tiny.start([request("[fox:red:0.5]", sampler="Heun", cfg_scale=1)])
    asked = contexts(tiny, run)
    before = context(tiny, "fox", "red")[0]
    assert [torch.equal(row[0], before) for row in asked] == [True] * 7 + [False] * 4


def contexts(engine: Engine, run: Run | TwoPasses | Tiled) -> list[torch.Tensor]:
    """What the UNet is told at each call of the run."""
    asked: list[torch.Tensor] = []

    def note(_: Any, __: Any, options: dict[str, Any]) -> None:
        asked.append(options["encoder_hidden_states"])

    hook = engine._components.backbone.network.register_forward_pre_hook(note, with_kwargs=True)
    list(run)
    hook.remove()
    return asked


def believed(engine: Engine, prompt: str, scale: float) -> torch.Tensor:
    """What one step of a run is towards."""
    run = engine.start([request(prompt, cfg_scale=scale, negative_prompt="bad")])
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3)) * 5
    assert isinstance(run, Run)
    with torch.inference_mode():
        return run._denoise(x, 5.0)


@pytest.mark.parametrize("model", ["tiny", "builtin"])
def test_and_is_the_sum_of_what_its_prompts_say(model: str, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(model)
    scale = 4.0
    without = believed(engine, "a red circle", 0.0)
    circle, star = (
        believed(engine, each, scale) - without for each in ("a red circle", " a blue star")
    )
    both = believed(engine, "a red circle :1.5 AND a blue star :-0.5", scale)
    assert torch.allclose(both, without + 1.5 * circle - 0.5 * star, atol=1e-5)
    alone = believed(engine, "a red circle :0.5", scale)
    assert torch.allclose(alone, without + 0.5 * circle, atol=1e-5)


def test_prompts_of_one_and_are_made_equally_long(tiny: Engine) -> None:
    """The last token of the shorter is repeated, as A1111 does it; never across pictures."""
    prompt = "a fox AND " + "a b " * 60
    run = tiny.start([request(prompt, cfg_scale=3), request("a hen", seed=2, cfg_scale=3)])
    asked = contexts(tiny, run)
    short = context(tiny, "a fox")[0]
    assert [tuple(rows.shape[:2]) for rows in asked[:2]] == [(2, 154), (3, 77)]
    assert torch.equal(asked[0][0, :77], short)
    assert torch.equal(asked[0][0, 77:], short[-1:].expand(77, -1))


def test_without_guidance_a_weight_still_needs_the_negative_prompt(tiny: Engine) -> None:
    without, fox = believed(tiny, "a fox", 0.0), believed(tiny, "a fox", 1.0)
    half = believed(tiny, "a fox :0.5", 1.0)
    assert torch.allclose(half, without + 0.5 * (fox - without), atol=1e-5)


def test_a_batch_of_all_kinds_is_each_made_alone(tiny: Engine) -> None:
    prompts = [
        "a fox",
        "[a fox:a hen:3] in (snow:1.4)",
        "a fox AND a hen :0.5 AND [red|blue]",
        "a b " * 60,
    ]
    requests = [
        request(prompt, seed=seed, negative_prompt="[bad:worse:2]" if seed % 2 else "x " * 90)
        for seed, prompt in enumerate(prompts)
    ]
    run = tiny.start(requests)
    list(run)
    for together, alone in zip(run.pictures(), requests, strict=True):
        difference = np.asarray(together.image, np.int16) - np.asarray(tiny.generate(alone).image)
        assert np.abs(difference).max() <= 1
