"""Diffusers' side: its pipeline as its documentation shows it, and tuned."""

from __future__ import annotations

from typing import Any

from .setup import COMPILED, EAGER, GUIDANCE, PROMPT, Setup

_EMBEDDINGS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)


class Theirs:
    """A loaded pipeline; `tuned` by its documentation's pages on speed."""

    def __init__(self, setup: Setup, *, tuned: bool) -> None:
        import torch
        from diffusers import DiffusionPipeline, EulerDiscreteScheduler

        from sdcli.models import find

        dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        pipeline = DiffusionPipeline.from_pretrained(
            find(setup.model).path, torch_dtype=dtypes[setup.dtype], local_files_only=True
        ).to(setup.device)
        pipeline.scheduler = EulerDiscreteScheduler.from_config(
            pipeline.scheduler.config,
            timestep_spacing="linspace",  # at sdcli's timesteps
        )
        pipeline.set_progress_bar_config(disable=True)
        if tuned:
            pipeline.unet.to(memory_format=torch.channels_last)
            pipeline.vae.to(memory_format=torch.channels_last)
            if how := _compiling(setup):
                pipeline.unet = torch.compile(pipeline.unet, fullgraph=True, dynamic=False, **how)
        self._pipeline: Any = pipeline
        self._setup = setup
        self._read: dict[int, dict[str, Any]] = {}

    def step(self, pictures: int, steps: int) -> object:
        """With the prompt's embeddings given, as sdcli keeps them from one run to the next."""
        if pictures not in self._read:
            found = self._pipeline.encode_prompt(
                prompt=PROMPT,
                negative_prompt="",
                device=self._pipeline.device,
                num_images_per_prompt=pictures,
                do_classifier_free_guidance=True,
            )
            self._read[pictures] = dict(zip(_EMBEDDINGS, found, strict=False))
        return self._run(steps, output_type="latent", **self._read[pictures])

    def picture(self, pictures: int, steps: int) -> object:
        """As its documentation makes several: a list of prompts."""
        return self._run(steps, prompt=[PROMPT] * pictures)

    def decode(self) -> object:
        """The VAE alone."""
        import torch

        vae, size = self._pipeline.vae, self._setup.size // 8
        latents = torch.zeros(1, 4, size, size, dtype=vae.dtype, device=vae.device)
        with torch.inference_mode():
            return vae.decode(latents, return_dict=False)

    def _run(self, steps: int, **how: Any) -> object:
        size = {"height": self._setup.size, "width": self._setup.size}
        return self._pipeline(num_inference_steps=steps, guidance_scale=GUIDANCE, **size, **how)


def _compiling(setup: Setup) -> dict[str, Any]:
    """What `torch.compile` is told; on a CPU it gains nothing unless weights are frozen."""
    if setup.mode == EAGER:
        return {}
    if setup.device == "cpu":
        return {"options": {"freezing": True}}
    return {} if setup.mode == COMPILED else {"mode": "reduce-overhead"}  # with CUDA graphs
