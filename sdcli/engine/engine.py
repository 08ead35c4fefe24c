"""Owns the engine: a loaded model that turns requests into pictures. Read this file first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from PIL.Image import Image
from torch import Tensor

from sdcli import models
from sdcli.errors import SdcliError, UsageError
from sdcli.hub import silent
from sdcli.request import GenerationRequest
from sdcli.sampling import Denoise

from .conditioning import TextEncoder
from .denoiser import UNetDenoiser, guided, guided_apart
from .device import Placement, choose
from .latents import decode
from .loading import Components, load, memory_errors
from .noise import ImageNoise


@dataclass(frozen=True, slots=True)
class Picture:
    """One result with its own recipe: `request` makes it again. `seconds` is its share of a run."""

    image: Image
    request: GenerationRequest
    seconds: float
    evaluations: int
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: `index` of `steps` done, noise level σ reached, model calls so far."""

    index: int
    steps: int
    sigma: float
    evaluations: int


class Engine:
    """Loaded weights on a device: the only stateful thing, reused for every picture."""

    def __init__(
        self, folder: models.ModelFolder, placement: Placement, components: Components
    ) -> None:
        self.folder = folder
        self.placement = placement
        self._components = components

    @classmethod
    def load(
        cls,
        model: str = models.BUILTIN,
        *,
        device: str = "auto",
        dtype: str = "auto",
        offline: bool = False,
        say: Callable[[str], None] = silent,
    ) -> Self:
        """Load a folder in the diffusers layout, a hub id, or "builtin".

        `device`: auto, cpu, mps, cuda or cuda:N. `dtype`: auto, fp16, bf16 or fp32. `say` is told
        what a person should know. Raises ModelError, UsageError, OutOfMemory.
        """
        return cls.of(models.find(model, offline=offline, say=say), device=device, dtype=dtype)

    @classmethod
    def of(cls, folder: models.ModelFolder, *, device: str = "auto", dtype: str = "auto") -> Self:
        """Load a folder that has been found and checked already."""
        placement = choose(device, dtype)
        return cls(folder, placement, load(folder, placement))

    @property
    def text_encoder(self) -> TextEncoder:
        """What turns a prompt into embeddings."""
        return self._components.text_encoder

    def complete(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the model's native size where it has none."""
        native = self.folder.native_size
        size = {"width": request.width or native, "height": request.height or native}
        return request.model_copy(update=size)

    def generate(self, request: GenerationRequest) -> Picture:
        """Make one picture. Raises SdcliError."""
        run = self.start([request])
        for _ in run:
            pass
        return run.pictures()[0]

    def start(
        self, requests: Sequence[GenerationRequest], *, say: Callable[[str], None] = silent
    ) -> Run:
        """A run that makes the requests' pictures at once; iterate over it, then take them.

        They may differ in prompts and seed only. Picture k equals the one made alone, up to
        rounding. Raises UsageError.
        """
        requests = [self.complete(request) for request in requests]
        own = {"prompt", "negative_prompt", "seed"}
        if any(r.model_dump(exclude=own) != requests[0].model_dump(exclude=own) for r in requests):
            raise UsageError("pictures made at once may differ in prompts and seed only")
        return Run(self, requests, self._components, say)


class Run:
    """A batch on its way. The caller owns the loop: `for step in run: …`, then `run.pictures()`."""

    def __init__(
        self,
        engine: Engine,
        requests: Sequence[GenerationRequest],
        components: Components,
        say: Callable[[str], None],
    ) -> None:
        self.requests = tuple(requests)
        self._components = components
        self._folder = engine.folder
        self._say = say
        self._started = time.perf_counter()
        first = self.requests[0]
        self._sampler = first.resolved_sampler
        self._sigmas = self._sampler.sigmas(
            first.steps, table=engine.folder.table, **first.schedule_options()
        )
        assert first.width
        assert first.height
        shape = (components.vae.config.latent_channels, first.height // 8, first.width // 8)
        self._noise = ImageNoise(
            [request.seed for request in requests],
            shape,
            source=first.rng,
            device=engine.placement.device,
            ensd=first.ensd,
        )
        with memory_errors("reading the prompts"):
            self._denoise, self._counted = self._denoiser()
        self._latents: Tensor | None = None

    def _denoiser(self) -> tuple[Denoise[Tensor], Sequence[UNetDenoiser]]:
        """The composed denoiser, and the UNet's part of it, which counts evaluations."""
        scale = self.requests[0].cfg_scale
        prompts = self._context([request.prompt for request in self.requests])
        if scale == 1:
            alone = self._unet(prompts)
            return alone, (alone,)
        negative = self._context([request.negative_prompt for request in self.requests])
        if prompts.shape == negative.shape:
            both = self._unet(torch.cat([prompts, negative]))
            return guided(both, scale), (both,)
        with_prompt, without = self._unet(prompts), self._unet(negative)
        return guided_apart(with_prompt, without, scale), (with_prompt,)

    def _context(self, texts: Sequence[str]) -> Tensor:
        embeddings = [self._components.text_encoder(text) for text in texts]
        if len({len(embedding[0]) for embedding in embeddings}) > 1:
            raise UsageError("prompts made at once must fill the same number of 75-token chunks")
        return torch.cat(embeddings)

    def _unet(self, context: Tensor) -> UNetDenoiser:
        return UNetDenoiser(
            self._components.unet,
            context,
            table=self._folder.table,
            prediction=self._folder.prediction,
        )

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser so far; with guidance, one call is both prompts."""
        return self._counted[0].evaluations

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self._sigmas) - 1

    @torch.inference_mode()
    def __iter__(self) -> Iterator[Step]:
        """Yield after every step. Raises OutOfMemory, and SdcliError if the model gives NaN."""
        x = self._noise.first() * self._sigmas[0]
        solver = self._sampler.solve(
            self._denoise, x, self._sigmas, self._noise, **self.requests[0].solver_options()
        )
        with memory_errors("sampling"):
            for index, state in enumerate(solver, start=1):
                x = state
                yield Step(index, self.steps, self._sigmas[index], self.evaluations)
        if not torch.isfinite(x).all():
            raise SdcliError(
                "the model gave NaN instead of a picture", "--dtype fp32 is slower but safe"
            )
        self._latents = x

    def pictures(self) -> list[Picture]:
        """Decode the finished latents: one picture a request, in order."""
        assert self._latents is not None, "iterate over the run first"
        with memory_errors("decoding"):
            images = decode(
                self._components.vae,
                self._latents,
                scale=self._folder.latent_scale,
                say=self._say,
            )
        seconds = (time.perf_counter() - self._started) / len(images)
        return [
            Picture(image, request, seconds, self.evaluations)
            for image, request in zip(images, self.requests, strict=True)
        ]
