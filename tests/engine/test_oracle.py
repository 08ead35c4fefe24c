"""diffusers' own pipeline as an oracle, where it is exact: Euler on the uniform schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from quick import slow

from sdcli.engine import Engine
from sdcli.engine.noise.streams import NvStream
from sdcli.request import GenerationRequest


@pytest.mark.parametrize("which", ["tiny", "builtin"])
@pytest.mark.parametrize("cfg_scale", [slow(1.0), 5.0])
def test_euler_equals_diffusers_own_pipeline(
    which: str, cfg_scale: float, request: pytest.FixtureRequest
) -> None:
    """Same start noise, its own tokenizer, text encoder, loop and decoder: at most 2 levels."""
    if which == "builtin" and int(transformers.__version__.partition(".")[0]) < 5:
        pytest.skip("its text encoder's tensors have the names of transformers 5")
    engine: Engine = request.getfixturevalue(which)
    wanted = GenerationRequest(
        prompt="a red circle",
        negative_prompt="blue",
        sampler="Euler",
        steps=12,
        cfg_scale=cfg_scale,
        seed=5,
    )
    picture = engine.generate(wanted)

    pipeline = StableDiffusionPipeline.from_pretrained(
        engine.model.path, torch_dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace", steps_offset=0
    )
    side = engine.model.native_size // 8
    oracle = pipeline(
        wanted.prompt,
        negative_prompt=wanted.negative_prompt,
        num_inference_steps=wanted.steps,
        guidance_scale=cfg_scale,
        latents=NvStream(wanted.seed).next((1, 4, side, side)),
    ).images[0]

    difference = np.asarray(picture.image, np.int16) - np.asarray(oracle, np.int16)
    assert np.abs(difference).max() <= 2
    assert np.asarray(oracle).std() > 1
