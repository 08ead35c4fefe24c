"""The hires fix: a run, its result enlarged, and a second run over that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from PIL.Image import Image
from torch import Tensor

from sdcli.engine.vae.codec import Codec
from sdcli.images.upscalers import latent_upscaler
from sdcli.request import GenerationRequest
from sdcli.request.schema.upscale import enlarging

from .batch import Batch
from .device import memory_errors
from .picture import Picture, Step, Tries
from .run import Run
from .upscaler import enlarged_latents, open_upscaler


class TwoPasses:
    """As a Run, of a batch with a second pass; `second` begins that one over latents."""

    def __init__(
        self,
        batch: Batch,
        first: Run,
        enlarge: Callable[[Tensor], Tensor],
        second: Callable[[Tensor], Run],
    ) -> None:
        self.batch = batch
        self._first = first
        self._enlarge = enlarge
        self._begin = second
        self._second: Run | None = None
        self._started = time.perf_counter()

    @property
    def requests(self) -> tuple[GenerationRequest, ...]:
        """One a picture, in order."""
        return self.batch.requests

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser so far, of both passes."""
        return self._first.evaluations + (self._second.evaluations if self._second else 0)

    def __iter__(self) -> Iterator[Step]:
        """Yield after every step; the steps of both passes are counted as those of one."""
        settings = self.batch.settings
        steps = settings.steps, settings.hires_steps or settings.steps
        for step in self._first:
            yield self._of_both(step, 0, steps)
        self._second = self._begin(self._enlarge(self._first.latents))
        for step in self._second:
            yield self._of_both(step, 1, steps)

    def _of_both(self, step: Step, place: int, steps: tuple[int, int]) -> Step:
        whole, before = sum(steps), sum(steps[:place])
        done = (before + step.done * steps[place]) / whole
        if step.steps is None:  # a sampler that chooses its own
            return replace(step, evaluations=self.evaluations, done=done)
        index = before + round(step.done * steps[place])
        return Step(index, whole, step.sigma, self.evaluations, done)

    def preview(self) -> Image | None:
        """Return the preview of the pass that is under way."""
        return (self._second or self._first).preview()

    def pictures(self) -> list[Picture]:
        """Decode what the second pass made: one picture a request, in order."""
        assert self._second is not None, "iterate over the run first"
        pictures = self._second.pictures()
        tries = [run.tries for run in (self._first, self._second) if run.tries is not None]
        both = Tries(sum(t.accepted for t in tries), sum(t.rejected for t in tries))
        seconds = (time.perf_counter() - self._started) / len(pictures)
        return [
            replace(
                picture,
                request=request,
                seconds=seconds,
                evaluations=self.evaluations,
                tries=both if tries else None,
            )
            for picture, request in zip(pictures, self.requests, strict=True)
        ]


def enlarger(
    batch: Batch,
    codec: Codec,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> Callable[[Tensor], Tensor]:
    """Return what brings the first pass's latents to those that the second begins from.

    An upscaler of pixels is opened at once, so that what is wrong with it costs no first pass.
    """
    settings, factor = batch.settings, batch.space.factor
    plan = enlarging(
        (batch.width, batch.height),
        scale=settings.hires_scale,
        wanted=settings.hires_size,
        factor=factor,
    )
    tiling = settings.tiling
    how = latent_upscaler(settings.hires_upscaler)
    by_pixels = None if how else open_upscaler(settings.hires_upscaler, device)

    @torch.inference_mode()
    def enlarge(latents: Tensor) -> Tensor:
        if how:
            large = enlarged_latents(latents, plan.covering, how)
        else:
            assert by_pixels is not None
            pictures = codec.decode(latents, tiling=tiling, say=say)
            pixels = (factor * plan.covering[0], factor * plan.covering[1])
            with memory_errors("encoding the enlarged picture"):
                large = torch.cat(
                    [codec.encode(by_pixels(each, pixels), tiling=tiling) for each in pictures]
                )
        (wide, high), (width, height) = plan.covering, plan.cut
        left, top = (wide - width) // 2, (high - height) // 2
        return large[:, :, top : top + height, left : left + width]

    return enlarge
