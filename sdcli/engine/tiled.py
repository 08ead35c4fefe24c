"""SD upscale: a picture enlarged, cut into tiles, each made anew, and joined again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from sdcli.errors import OutOfMemory
from sdcli.images.tiles import Tiling
from sdcli.request.pictures import enlarged_size, in_color, read_init
from sdcli.request.request import FIRST_PASS, GenerationRequest

from .batch import Batch
from .picture import Picture, Step
from .run import Run
from .upscaler import open_upscaler


class Tiled:
    """As a Run, of one request that has its picture enlarged by tiles, `at_once` at a time.

    Each tile is a picture to begin from, with the request's prompt; the seeds count up from tile to
    tile, as in A1111.
    """

    def __init__(
        self,
        batch: Batch,
        *,
        encode: Callable[[Image.Image], Tensor],
        begin: Callable[[list[GenerationRequest], Tensor], Run],
        at_once: int,
        device: torch.device,
        say: Callable[[str], None],
    ) -> None:
        [request] = batch.requests
        self.requests = batch.requests
        self._encode = encode
        self._begin = begin
        self._at_once = 1 if request.adaptive else at_once
        self._say = say
        self._started = time.perf_counter()
        image = in_color(read_init(request))
        assert request.upscale
        size = enlarged_size(image.size, request.upscale)
        self._tiling = Tiling(size, (batch.width, batch.height), request.tile_overlap)
        enlarge = open_upscaler(request.upscaler, device)
        self._tiles = self._tiling.cut(enlarge(image, size))
        self._finished: list[Image.Image] = []
        self.evaluations = 0

    def __iter__(self) -> Iterator[Step]:
        """Yield after every step; all tiles' steps are counted as those of one run."""
        while len(self._finished) < len(self._tiles):
            try:
                yield from self._batch(len(self._finished))
            except OutOfMemory as error:
                if self._at_once == 1:
                    raise
                self._at_once = max(1, self._at_once // 2)
                self._say(f"{error.message}: continuing with {self._at_once} tiles at a time")

    def _batch(self, first: int) -> Iterator[Step]:
        tiles = self._tiles[first : first + self._at_once]
        before = self.evaluations
        latents = torch.cat([self._encode(tile) for tile in tiles])
        [request] = self.requests
        alone = {"init_img": FIRST_PASS, "upscale": None}
        requests = [
            request.model_copy(update={**alone, "seed": (request.seed + first + k) % 2**64})
            for k in range(len(tiles))
        ]
        run = self._begin(requests, latents)
        for step in run:
            self.evaluations = before + step.evaluations
            yield self._of_all(step, first, len(tiles))
        self._finished += [picture.image for picture in run.pictures()]
        self.evaluations = before + run.evaluations

    def _of_all(self, step: Step, first: int, count: int) -> Step:
        done = (first + step.done * count) / len(self._tiles)
        if step.steps is None:  # a sampler that chooses its own
            return replace(step, evaluations=self.evaluations, done=done)
        steps = len(self._tiles) * step.steps
        return Step(round(done * steps), steps, step.sigma, self.evaluations, done)

    def preview(self) -> Image.Image:
        """Return the picture with those tiles anew that are finished."""
        rest = self._tiles[len(self._finished) :]
        return self._tiling.joined([*self._finished, *rest])

    def pictures(self) -> list[Picture]:
        """Return the one picture, joined from its tiles."""
        assert len(self._finished) == len(self._tiles), "iterate over the run first"
        seconds = time.perf_counter() - self._started
        return [
            Picture(
                self._tiling.joined(self._finished), self.requests[0], seconds, self.evaluations
            )
        ]
