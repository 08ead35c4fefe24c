"""Owns a run: a batch of pictures on its way from noise through the solver's steps to pixels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from torch import Tensor

from sdcli.errors import SdcliError, UsageError
from sdcli.models import ModelFolder
from sdcli.request import GenerationRequest
from sdcli.sampling import Denoise, Noise, Sampler
from sdcli.sampling.training import nearest_of

from .ahead import Ahead
from .brownian import BrownianNoise
from .denoiser import Guided, GuidedApart, UNetDenoiser, consistent
from .device import Placement
from .diffusers_solver import DiffusersSolver
from .latents import decode
from .loading import Components, memory_errors
from .noise import ImageNoise


@dataclass(frozen=True, slots=True)
class Tries:
    """The steps of a sampler that chooses them: those taken, and those taken back."""

    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One result with its own recipe: `request` makes it again. `seconds` is its share of a run.

    `tries` is None for a sampler that does not choose its own steps.
    """

    image: Image
    request: GenerationRequest
    seconds: float
    evaluations: int
    path: Path | None = None
    tries: Tries | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: `index` of `steps`, σ of the last model call, model calls so far.

    A run that chooses its own steps has no number of them; `done` is its share of the way, 0 to 1.
    """

    index: int
    steps: int | None
    sigma: float
    evaluations: int
    done: float


_CALLS_A_TRY = 3  # of a sampler that chooses its own steps; a budget's last step takes one


class Run:
    """A batch on its way. The caller owns the loop: `for step in run: …`, then `run.pictures()`."""

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        folder: ModelFolder,
        placement: Placement,
        components: Components,
        say: Callable[[str], None],
    ) -> None:
        self.requests = tuple(requests)
        self._components = components
        self._folder = folder
        self._say = say
        self._started = time.perf_counter()
        first = self.requests[0]
        self._sampler = first.resolved_sampler
        table = folder.table
        self._solver: Sampler | DiffusersSolver = self._sampler
        if self._sampler.scheduler:
            self._solver = DiffusersSolver(
                self._sampler, folder.scheduler, table, steps=first.steps
            )
            self._sigmas = self._solver.sigmas
        else:
            self._sigmas = first.levels(table)
        self._total = self._solver.total_evaluations(self._sigmas)
        self._timestep = nearest_of(table, 20) if self._sampler.consistency else table.timestep
        assert first.width
        assert first.height
        shape = (components.vae.config.latent_channels, first.height // 8, first.width // 8)
        self._noise = ImageNoise(
            [request.seed for request in requests],
            shape,
            source=first.rng,
            device=placement.device,
            ensd=first.ensd,
        )
        with memory_errors("reading the prompts"):
            self._denoise, self._counted = self._denoiser()
        self._latents: Tensor | None = None
        self._least_sigma = math.inf
        self._rejected = 0
        self._tries: Tries | None = None

    def _denoiser(self) -> tuple[Denoise[Tensor], UNetDenoiser]:
        """The composed denoiser, and the UNet's part of it, which counts evaluations."""
        sampler = self._sampler
        scale = self.requests[0].cfg_scale / sampler.guidance_divisor
        prompts = self._context([request.prompt for request in self.requests])
        if scale == 1 and not sampler.unguided:
            unet = self._unet(prompts)
            return self._asked_as(unet), unet
        negative = self._context([request.negative_prompt for request in self.requests])
        if prompts.shape == negative.shape:
            unet = self._unet(torch.cat([prompts, negative]))
            return self._asked_as(Guided(unet, scale)), unet
        unet = self._unet(prompts)
        return self._asked_as(GuidedApart(unet, self._unet(negative), scale)), unet

    def _asked_as(self, denoise: Denoise[Tensor]) -> Denoise[Tensor]:
        return consistent(denoise, self._timestep) if self._sampler.consistency else denoise

    def _context(self, texts: Sequence[str]) -> Tensor:
        embeddings = [self._components.text_encoder(text) for text in texts]
        if len({len(embedding[0]) for embedding in embeddings}) > 1:
            raise UsageError("prompts made at once must fill the same number of 75-token chunks")
        return torch.cat(embeddings)

    def _unet(self, context: Tensor) -> UNetDenoiser:
        return UNetDenoiser(
            self._components.unet,
            context,
            timestep=self._timestep,
            prediction=self._folder.prediction,
        )

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser so far; with guidance, one call is both prompts."""
        return self._counted.evaluations

    @torch.inference_mode()
    def __iter__(self) -> Iterator[Step]:
        """Yield after every step. Raises OutOfMemory, and SdcliError if the model gives NaN."""
        x = self._noise.first() * self._solver.start_scale(self._sigmas)
        solver = self._solver.solve(
            self._denoise, x, self._sigmas, self._later_noise(), **self.requests[0].solver_options()
        )
        with memory_errors("sampling"):
            for tries, state in enumerate(solver, start=1):
                self._rejected += state is x  # a step that is taken back leaves x itself
                x = state
                yield self._stand(tries)
        if self._total is None:
            self._tries = Tries(tries - self._rejected, self._rejected)
        if self._total is None and self.evaluations < _CALLS_A_TRY * tries:
            self._say(
                f"{self.evaluations} model calls did not reach the end: the picture is what the "
                f"model believed at σ {self._counted.sigma:.3g}"
            )
        if not torch.isfinite(x).all():
            raise SdcliError(
                "the model gave NaN instead of a picture", "--dtype fp32 is slower but safe"
            )
        self._latents = x

    def _later_noise(self) -> Noise[Tensor]:
        if not self._sampler.brownian:
            return self._noise
        first = self.requests[0]
        path = BrownianNoise(
            [request.seed for request in self.requests],
            self._noise.shape,
            source=first.rng,
            device=self._noise.device,
            sigmas=self._sigmas,
        )
        if self._sampler.scheduler:
            return path
        return Ahead(path, self._sampler.noises(self._sigmas, **first.solver_options()))

    def _stand(self, tries: int) -> Step:
        sigma, evaluations = self._counted.sigma, self.evaluations
        if self._total is None:
            self._least_sigma = min(self._least_sigma, sigma)  # a rejected step goes back up
            covered = math.log(self._sigmas[0] / self._least_sigma)
            done = covered / math.log(self._sigmas[0] / min(filter(None, self._sigmas)))
            return Step(tries, None, sigma, evaluations, done)
        steps = self.requests[0].steps
        return Step(
            evaluations * steps // self._total, steps, sigma, evaluations, evaluations / self._total
        )

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
            Picture(image, request, seconds, self.evaluations, tries=self._tries)
            for image, request in zip(images, self.requests, strict=True)
        ]
