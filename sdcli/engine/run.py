"""A run: a batch of pictures on its way from noise through the solver's steps to pixels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

import torch
from PIL.Image import Image
from torch import Tensor

from sdcli.engine.adapters.lora import Lora
from sdcli.engine.denoise.compose import Composer, steady
from sdcli.engine.denoise.denoiser import Denoiser
from sdcli.engine.denoise.wrappers import LastDenoised
from sdcli.engine.noise.brownian import Ahead, BrownianNoise
from sdcli.engine.weights.components import Components
from sdcli.errors import SdcliError, UsageError
from sdcli.models import Model
from sdcli.request import GenerationRequest
from sdcli.request.calls import calls_over
from sdcli.sampling import Denoise, Noise, Sampler
from sdcli.sampling.img2img import Tail
from sdcli.sampling.protocols import Sigmas
from sdcli.sampling.solvers.invert import invert
from sdcli.sampling.solvers.repaint import resampled

from .batch import Batch
from .device import Placement, memory_errors
from .diffusers_solver import DiffusersSolver
from .picture import Picture, Step, Tries
from .start import Start

_CALLS_A_TRY = 3  # of a sampler that chooses its own steps; a budget's last step takes one


class Run:
    """A batch on its way. The caller owns the loop: `for step in run: …`, then `run.pictures()`.

    As the second pass of a hires fix it begins from `latents`, and prompts go on from the
    `calls_before` of the first.
    """

    def __init__(
        self,
        batch: Batch,
        model: Model,
        placement: Placement,
        components: Components,
        say: Callable[[str], None],
        *,
        loras: Sequence[Lora] = (),
        latents: Tensor | None = None,
        calls_before: int | None = None,
    ) -> None:
        self.batch = batch
        self.model = model
        self._components = components
        self._say = say
        self._loras = tuple(loras)
        self._started = time.perf_counter()
        settings, table = batch.settings, model.table
        self._sampler = settings.resolved_sampler.on(table, model.noise_path)
        self._solver: Sampler | DiffusersSolver = self._sampler
        if self._sampler.scheduler:
            if model.prediction in ("edm", "edm_v"):
                raise UsageError(
                    f"{self._sampler.name} goes by training timesteps, which {model.name} lacks",
                    "choose one of sdcli's own samplers, such as DPM++ 2M Karras",
                )
            self._solver = DiffusersSolver(
                self._sampler, model.scheduler, table, steps=settings.steps
            )
            self._sigmas = self._solver.sigmas
        else:
            self._sigmas = settings.levels(table)
        self._tail: Tail | None = None
        if settings.init_img is not None and not settings.invert:
            self._tail = settings.tail(table)
            self._sigmas = tuple(self._tail.sigmas)
        self._total = calls_over(settings, self._solver, self._sigmas)
        encoder = partial(components.codec.encode, tiling=settings.tiling)
        self._begin = Start(batch, encoder, placement.device, latents)
        self._noise = self._begin.noise
        _check_clip_skip(settings.clip_skip, model, say)
        if components.graphs and not steady(settings):
            say(
                "running without CUDA graphs: PAG, token merging and DeepCache change the network "
                "between calls"
            )
        if settings.token_merging_ratio and not components.backbone.capabilities.token_merging:
            say(f"token merging has no effect on {model.family.title}")
        with memory_errors("reading the prompts"):
            composer = Composer(
                batch,
                model,
                components,
                self._sampler,
                placement.device,
                patch=self._begin.patch,
                calls_before=calls_before,
                steps=len(self._sigmas) - 1 if self._tail and self._sigmas else settings.steps,
            )
            self._denoise, self._counted = composer.guided()
            self._inverting = composer.inverting() if settings.invert else None
        self._latents: Tensor | None = None
        self._last: LastDenoised | None = None
        self._least_sigma = math.inf
        self._rejected = 0
        self.tries: Tries | None = None

    @property
    def requests(self) -> tuple[GenerationRequest, ...]:
        """One a picture, in order."""
        return self.batch.requests

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser so far; with guidance, one call is both prompts."""
        before = self._inverting.evaluations if self._inverting else 0
        return before + self._counted.evaluations

    def __iter__(self) -> Iterator[Step]:
        """Yield after every step. Raises OutOfMemory, and SdcliError if the model gives NaN.

        Between its steps other runs of the engine may make theirs.
        """
        steps, tiling = self._steps(), self.batch.settings.tiling
        while True:
            with self._components.bound(self._loras, tiling=tiling, say=self._say):
                step = next(steps, None)
            if step is None:
                return
            yield step

    @torch.inference_mode()
    def _steps(self) -> Iterator[Step]:
        x = yield from self._start()
        if not self._sigmas:  # of a strength that leaves no step
            if self.batch.settings.strength != 0:
                self._say(
                    f"nothing to do: {self._sampler.name} has no step left at so few steps "
                    "and so low a strength"
                )
            self._latents = x
            return
        denoise, anew = self._denoise, None
        if self._begin.patch:
            denoise, anew = self._begin.keeping(denoise, self._sampler, self._sigmas)
        denoise = self._last = LastDenoised(denoise)
        with memory_errors("sampling"):
            for tries, state in enumerate(self._states(denoise, x), start=1):
                self._rejected += state is x  # a step that is taken back leaves x itself
                x = state
                yield self._stand(tries, self._counted)
        self._counted.forget()
        if self._total is None:
            self.tries = Tries(tries - self._rejected, self._rejected)
        if self._total is None and self.evaluations < _CALLS_A_TRY * tries:
            self._say(
                f"stopped after {self.evaluations} model calls, before the end: the picture is "
                f"what the model predicted at σ {self._counted.sigma:.3g}"
            )
        if not torch.isfinite(x).all():
            raise SdcliError(
                "the model returned NaN instead of a picture",
                "try --dtype fp32, which is slower but safe",
            )
        if anew:
            x = torch.lerp(self._begin.picture(), x, anew(self._sigmas[-2]))
        self._latents = x

    def _states(self, denoise: Denoise[Tensor], x: Tensor) -> Iterator[Tensor]:
        """Return an iterator of x after every step."""
        settings, noise = self.batch.settings, self._later_noise()

        def solve(x: Tensor, sigmas: Sigmas) -> Iterator[Tensor]:
            return self._solver.solve(denoise, x, tuple(sigmas), noise, **settings.solver_options())

        if settings.inpaint_method == "repaint":
            return resampled(
                solve,
                x,
                self._sigmas,
                noise,
                jump=settings.repaint_jump,
                times=settings.repaint_times,
                path=self.model.noise_path,
                end_scale=self._sampler.end_scale,
            )
        return solve(x, self._sigmas)

    def _start(self) -> Generator[Step, None, Tensor]:
        """Make the noise at the first σ: the seeds' own, over a picture, or what it came from."""
        if self._tail:
            return self._begin.noised(self._tail, self._sampler)
        if self._inverting is None:
            return self._noise.first() * self._solver.start_scale(self._sigmas)
        with memory_errors("inverting the picture"):
            x = self._begin.clean(self._sigmas[-1], self._sampler)
            back = invert(self._inverting, x, self._sigmas, order=self._sampler.order)
            for steps, state in enumerate(back, start=1):
                x = state
                yield self._stand(steps, self._inverting)
        return x

    def _later_noise(self) -> Noise[Tensor]:
        if not self._sampler.brownian:
            return self._noise
        settings = self.batch.settings
        path = BrownianNoise(
            [row.seed for row in self.batch.rows],
            self._noise.shape,
            source=settings.rng,
            device=self._noise.device,
            sigmas=self._tail.whole if self._tail else self._sigmas,
        )
        if self._sampler.scheduler:
            return path
        ways = self._sampler.noises(self._sigmas, **settings.solver_options())
        return Ahead(path.drawn, ways, self._noise.device)

    def _stand(self, tries: int, denoiser: Denoiser) -> Step:
        sigma, evaluations = denoiser.sigma, self.evaluations
        if self._total is None:
            self._least_sigma = min(self._least_sigma, sigma)  # a rejected step goes back up
            covered = math.log(self._sigmas[0] / self._least_sigma)
            done = covered / math.log(self._sigmas[0] / min(filter(None, self._sigmas)))
            return Step(tries, None, sigma, evaluations, done)
        steps = len(self._sigmas) - 1 if self._tail else self.batch.settings.steps
        return Step(
            evaluations * steps // self._total, steps, sigma, evaluations, evaluations / self._total
        )

    @property
    def latents(self) -> Tensor:
        """What the finished run made, (images, channels, height, width) of latents."""
        assert self._latents is not None, "iterate over the run first"
        return self._latents

    def preview(self) -> Image | None:
        """Return x̂₀ of the first picture by now; None before the first model call."""
        if self._last is None or self._last.denoised is None:
            return None
        return self._decoded(self._last.denoised[:1])[0]

    def pictures(self) -> list[Picture]:
        """Decode the finished latents: one picture a request, in order."""
        images = self._decoded(self.latents)
        if self._begin.patch:
            images = [self._begin.patch.laid(image) for image in images]
        seconds = (time.perf_counter() - self._started) / len(images)
        return [
            Picture(image, request, seconds, self.evaluations, tries=self.tries)
            for image, request in zip(images, self.requests, strict=True)
        ]

    def _decoded(self, latents: Tensor) -> list[Image]:
        tiling = self.batch.settings.tiling
        return self._components.codec.decode(latents, tiling=tiling, say=self._say)


def _check_clip_skip(skip: int, model: Model, say: Callable[[str], None]) -> None:
    """Tell where it does nothing, as in A1111, whose pictures' texts name it all the same."""
    if skip <= 1:
        return
    if not model.family.clip_skips:
        say(f"clip skip {skip} has no effect on {model.family.title}")
        return
    layers = int(model.configs["text_encoder"]["num_hidden_layers"])
    if skip > layers:
        raise UsageError(f"--clip-skip: {skip} is too many, the text encoder has {layers} layers")
