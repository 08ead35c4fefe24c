"""The guided denoiser of a batch: its prompts become lines of a script, and these a Denoise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from sdcli.engine.batch import Batch
from sdcli.engine.text.schedule import Line, Script
from sdcli.engine.weights.components import Components
from sdcli.images.masks import Patch
from sdcli.models import Model
from sdcli.prompts.and_prompts import Share, shares
from sdcli.prompts.lora_tags import split
from sdcli.prompts.schedule import Pass, timeline
from sdcli.request import GenerationRequest
from sdcli.sampling import Denoise, Sampler
from sdcli.sampling.noise_tables import nearest_of

from .denoiser import Denoiser
from .guidance import Guidance, Refine, Skip, rescaled, thresholded
from .inpaint import beside
from .wrappers import consistent


def steady(request: GenerationRequest) -> bool:
    """Return whether a run's calls are all of the same network, so that they can be recorded."""
    return not (request.pag_scale or request.token_merging_ratio or request.deep_cache > 1)


class Composer:
    """Makes the denoisers of a batch.

    `patch` is what an inpainting model is shown, `calls_before` those of a hires fix's first pass,
    `steps` those that the run makes.
    """

    def __init__(
        self,
        batch: Batch,
        model: Model,
        components: Components,
        sampler: Sampler,
        device: torch.device,
        *,
        patch: Patch | None,
        calls_before: int | None,
        steps: int,
    ) -> None:
        self._batch = batch
        self._model = model
        self._components = components
        self._sampler = sampler
        self._device = device
        self._patch = patch
        self._calls_before = calls_before
        self._steps = steps
        table = model.table
        self._timestep = nearest_of(table, 20) if sampler.consistency else table.timestep

    def guided(self) -> tuple[Denoise[Tensor], Denoiser]:
        """Return the composed denoiser, and the backbone's part of it, which counts evaluations."""
        settings, sampler = self._batch.settings, self._sampler
        scale = settings.cfg_scale / sampler.guidance_divisor
        prompts = [shares(split(row.prompt)[0]) for row in self._batch.rows]
        weights = [[share.weight for share in each] for each in prompts]
        lines = [line for each in prompts for line in self._lines(each)]
        plain = all(each == [1.0] for each in weights)
        alone = scale == 1 and plain and not sampler.unguided
        if alone and not settings.pag_scale:
            denoiser = self._denoiser(lines)
            return self._bounded(denoiser), denoiser
        count = len(lines)
        lines += [self._line(row.negative_prompt, negative=True) for row in self._batch.rows]
        denoiser = self._denoiser(lines)
        return self._bounded(self._guidance(denoiser, count, scale, weights, alone=alone)), denoiser

    def inverting(self) -> Denoiser:
        """Return the denoiser of what the picture shows, without guidance."""
        own = self._batch.settings.invert_prompt
        texts = [split(row.prompt if own is None else own)[0] for row in self._batch.rows]
        return self._denoiser([self._line(text) for text in texts])

    def _lines(self, parts: Sequence[Share]) -> list[Line]:
        """Return the lines of one image, all of one length."""
        lines = [self._line(share.text) for share in parts]
        longest = max(line.length for line in lines)
        return [line.padded(longest) for line in lines]

    def _guidance(
        self,
        denoiser: Denoiser,
        count: int,
        scale: float,
        weights: Sequence[Sequence[float]],
        *,
        alone: bool,
    ) -> Guidance:
        """Return guidance as the request refines it; the first `count` rows are of the prompts.

        Where these do `alone` the negative prompts are left out of every call.
        """
        settings = self._batch.settings
        refine: list[Refine] = []
        if settings.mimic_scale is not None:
            mimic = settings.mimic_scale / self._sampler.guidance_divisor
            refine.append(thresholded(scale, mimic, settings.threshold_percentile))
        if settings.cfg_rescale:
            refine.append(rescaled(settings.cfg_rescale, self._model.noise_path))
        skip = Skip(
            self._sampler.prompt_calls(self._steps),
            settings.skip_early_cfg,
            settings.ngms,
            settings.ngms_all,
            # A1111 compares the timestep in samplers that think in those.
            self._model.table.timestep if self._sampler.unit_start else float,
        )
        skips = alone or settings.skip_early_cfg or settings.ngms
        return Guidance(
            denoiser,
            scale,
            weights,
            prompts=denoiser.first(count) if skips else None,
            skip=(lambda *_: True) if alone else skip,
            refine=refine,
            perturbed=denoiser.perturbed(count) if settings.pag_scale else None,
            pag=settings.pag_scale,
        )

    def _bounded(self, denoise: Denoise[Tensor]) -> Denoise[Tensor]:
        return consistent(denoise, self._timestep) if self._sampler.consistency else denoise

    def _line(self, text: str, *, negative: bool = False) -> Line:
        settings = self._batch.settings
        calls = self._sampler.prompt_calls(settings.steps)
        stretches = timeline(text, Pass(calls, self._calls_before, settings.old_timelines))
        rows = self._components.text_encoder.encode(
            tuple(stretch.text for stretch in stretches),
            skip=settings.clip_skip,
            negative=negative,
            emphasis=settings.emphasis,
        )
        return Line(tuple((s.until, row) for s, row in zip(stretches, rows, strict=True)))

    def _denoiser(self, lines: Sequence[Line]) -> Denoiser:
        batch, backbone = self._batch, self._components.backbone
        settings = batch.settings
        prepare = partial(backbone.prepare, width=batch.width, height=batch.height)
        return Denoiser(
            backbone,
            Script(lines, prepare),
            path=self._model.noise_path,
            timestep=partial(self._model.noise_path.model_time, timestep=self._timestep),
            beside=self._beside(),
            graphs=self._components.graphs if steady(settings) else None,
            token_merging=settings.token_merging_ratio,
            deep_cache=settings.deep_cache,
        )

    def _beside(self) -> Tensor | None:
        """Return what an inpainting model sees: without a mask, or a picture, all is masked."""
        if self._model.family.channels == self._batch.space.channels:
            return None
        if self._patch:
            image, mask = self._patch.image, self._patch.mask
        else:
            image = Image.new("RGB", (self._batch.width, self._batch.height))
            mask = Image.new("L", image.size, 255)
        codec, tiling = self._components.codec, self._batch.settings.tiling
        shown = beside(codec, image, mask, tiling=tiling, device=self._device)
        return shown.to(self._components.backbone.dtype)
