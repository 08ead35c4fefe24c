"""Owns how requests ask a model: prompts become lines, and lines a guided denoiser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from sdcli.engine.backbones.unet import UNetDenoiser
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

from .guidance import Guided, Skip, rescaled, thresholded
from .inpaint import beside
from .wrappers import consistent


def steady(request: GenerationRequest) -> bool:
    """Whether the UNet is the same at all calls of a run, so that they can be recorded."""
    return not (request.pag_scale or request.token_merging_ratio or request.deep_cache > 1)


class Asking:
    """What a batch asks of a model. All its requests are alike but for prompts and seeds.

    `patch` is what an inpainting model is shown, `calls_before` those of a hires fix's first pass,
    `steps` those that the run makes.
    """

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        model: Model,
        components: Components,
        sampler: Sampler,
        device: torch.device,
        *,
        patch: Patch | None,
        calls_before: int | None,
        steps: int,
    ) -> None:
        self._requests = tuple(requests)
        self._first = requests[0]
        self._model = model
        self._components = components
        self._sampler = sampler
        self._device = device
        self._patch = patch
        self._calls_before = calls_before
        self._steps = steps
        table = model.table
        self._timestep = nearest_of(table, 20) if sampler.consistency else table.timestep

    def guided(self) -> tuple[Denoise[Tensor], UNetDenoiser]:
        """The composed denoiser, and the UNet's part of it, which counts evaluations."""
        sampler = self._sampler
        scale = self._first.cfg_scale / sampler.guidance_divisor
        prompts = [shares(split(request.prompt)[0]) for request in self._requests]
        weights = [[share.weight for share in each] for each in prompts]
        lines = [line for each in prompts for line in self._lines(each)]
        plain = all(each == [1.0] for each in weights)
        alone = scale == 1 and plain and not sampler.unguided
        if alone and not self._first.pag_scale:
            unet = self._unet(lines)
            return self._asked_as(unet), unet
        count = len(lines)
        lines += [self._line(request.negative_prompt, negative=True) for request in self._requests]
        unet = self._unet(lines)
        return self._asked_as(self._guided(unet, count, scale, weights, alone=alone)), unet

    def _lines(self, parts: Sequence[Share]) -> list[Line]:
        """Those of one image, of one length."""
        lines = [self._line(share.text) for share in parts]
        longest = max(line.length for line in lines)
        return [line.padded(longest) for line in lines]

    def _guided(
        self,
        unet: UNetDenoiser,
        count: int,
        scale: float,
        weights: Sequence[Sequence[float]],
        *,
        alone: bool,
    ) -> Guided:
        """As the request refines it; the first `count` rows are of the prompts.

        Where these do `alone` the negative prompts are never asked.
        """
        first, table = self._first, self._model.table
        finish = []
        if first.mimic_scale is not None:
            mimic = first.mimic_scale / self._sampler.guidance_divisor
            finish.append(thresholded(scale, mimic, first.threshold_percentile))
        if first.cfg_rescale:
            v_prediction = self._model.prediction == "v_prediction"
            finish.append(rescaled(first.cfg_rescale, v_prediction=v_prediction))
        skip = Skip(
            self._sampler.prompt_calls(self._steps),
            first.skip_early_cfg,
            first.ngms,
            first.ngms_all,
            # A1111 compares the timestep in samplers that think in those.
            table.timestep if self._sampler.unit_start else float,
        )
        return Guided(
            unet,
            scale,
            weights,
            prompts=unet.first(count) if alone or first.skip_early_cfg or first.ngms else None,
            skip=(lambda *_: True) if alone else skip,
            finish=finish,
            perturbed=unet.perturbed(count) if first.pag_scale else None,
            pag=first.pag_scale,
        )

    def _asked_as(self, denoise: Denoise[Tensor]) -> Denoise[Tensor]:
        return consistent(denoise, self._timestep) if self._sampler.consistency else denoise

    def _line(self, text: str, *, negative: bool = False) -> Line:
        first = self._first
        calls = self._sampler.prompt_calls(first.steps)
        stretches = timeline(text, Pass(calls, self._calls_before, first.old_timelines))
        rows = self._components.text_encoder.encode(
            tuple(stretch.text for stretch in stretches),
            skip=first.clip_skip,
            negative=negative,
            emphasis=first.emphasis,
        )
        return Line(tuple((s.until, row) for s, row in zip(stretches, rows, strict=True)))

    def _unet(self, lines: Sequence[Line]) -> UNetDenoiser:
        first = self._first
        assert first.width
        assert first.height
        return UNetDenoiser(
            self._components.unet,
            Script(lines, width=first.width, height=first.height),
            beside=self._beside(first.width, first.height),
            timestep=self._timestep,
            prediction=self._model.prediction,
            graphs=self._components.graphs if steady(first) else None,
            token_merging=first.token_merging_ratio,
            deep_cache=first.deep_cache,
        )

    def _beside(self, width: int, height: int) -> Tensor | None:
        """What an inpainting model sees: of a picture without a mask, or none, all is masked."""
        codec = self._components.codec
        if self._model.family.channels == codec.channels:
            return None
        if self._patch:
            image, mask = self._patch.image, self._patch.mask
        else:
            image = Image.new("RGB", (width, height))
            mask = Image.new("L", image.size, 255)
        tiling = self._first.tiling
        seen = beside(codec, image, mask, tiling=tiling, device=self._device)
        return seen.to(self._components.unet.dtype)

    def shown(self) -> UNetDenoiser:
        """The denoiser that believes, without guidance, what the picture shows."""
        own = self._first.invert_prompt
        texts = [split(r.prompt if own is None else own)[0] for r in self._requests]
        return self._unet([self._line(text) for text in texts])
