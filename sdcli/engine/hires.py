"""Owns the hires fix: a run, its result enlarged, and a second run over that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from PIL.Image import Image
from torch import Tensor

from sdcli.engine.weights.components import Components
from sdcli.images.upscalers import latent_upscaler
from sdcli.request import GenerationRequest
from sdcli.request.schema.upscale import enlarging

from .device import memory_errors
from .picture import Picture, Step, Tries
from .run import Run
from .upscaler import enlarged_latents, open_upscaler


class TwoPasses:
    """As a Run, of requests that ask for a second pass; `second` begins that one over latents."""

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        first: Run,
        enlarge: Callable[[Tensor], Tensor],
        second: Callable[[Tensor], Run],
    ) -> None:
        self.requests = tuple(requests)
        self._first = first
        self._enlarge = enlarge
        self._begin = second
        self._second: Run | None = None
        self._started = time.perf_counter()

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser so far, of both passes."""
        return self._first.evaluations + (self._second.evaluations if self._second else 0)

    def __iter__(self) -> Iterator[Step]:
        """Yield after every step; the steps of both passes are counted as those of one."""
        base = self.requests[0]
        steps = base.steps, base.hires_steps or base.steps
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
        """That of the pass that is under way."""
        return (self._second or self._first).preview()

    def pictures(self) -> list[Picture]:
        """Decode what the second pass made: one picture a request, in order."""
        assert self._second is not None, "iterate over the run first"
        made = self._second.pictures()
        tries = [run.tries for run in (self._first, self._second) if run.tries is not None]
        both = Tries(sum(t.accepted for t in tries), sum(t.rejected for t in tries))
        seconds = (time.perf_counter() - self._started) / len(made)
        return [
            replace(
                picture,
                request=request,
                seconds=seconds,
                evaluations=self.evaluations,
                tries=both if tries else None,
            )
            for picture, request in zip(made, self.requests, strict=True)
        ]


def enlarger(
    request: GenerationRequest,
    components: Components,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> Callable[[Tensor], Tensor]:
    """What brings the first pass's latents to those that the second begins from.

    An upscaler of pixels is opened at once, so that what is wrong with it costs no first pass.
    """
    assert request.width
    assert request.height
    size = (request.width, request.height)
    plan = enlarging(size, scale=request.hires_scale, wanted=request.hires_size)
    codec, tiling = components.codec, request.tiling
    how = latent_upscaler(request.hires_upscaler)
    by_pixels = None if how else open_upscaler(request.hires_upscaler, device)

    @torch.inference_mode()
    def enlarge(latents: Tensor) -> Tensor:
        if how:
            large = enlarged_latents(latents, plan.covering, how)
        else:
            assert by_pixels is not None
            pictures = codec.decode(latents, tiling=tiling, say=say)
            pixels = (8 * plan.covering[0], 8 * plan.covering[1])
            with memory_errors("encoding the enlarged picture"):
                large = torch.cat(
                    [codec.encode(by_pixels(each, pixels), tiling=tiling) for each in pictures]
                )
        (wide, high), (width, height) = plan.covering, plan.cut
        left, top = (wide - width) // 2, (high - height) // 2
        return large[:, :, top : top + height, left : left + width]

    return enlarge
