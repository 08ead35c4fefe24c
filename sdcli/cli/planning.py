"""Owns planning: everything that can be wrong with a run is found before torch is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sdcli import models
from sdcli.errors import UsageError
from sdcli.init_image import enlarged_size, read_init, sized
from sdcli.jobs import expand, walk
from sdcli.mask_image import open_patch
from sdcli.metadata import write_text
from sdcli.models.header import read_header
from sdcli.models.library import find_lora
from sdcli.models.vae import with_vae
from sdcli.output import Target
from sdcli.picture_files import check_fits
from sdcli.prompts.networks import Tag
from sdcli.request import GenerationRequest
from sdcli.settings import Settings
from sdcli.upscalers import check_upscaler

from . import ui
from .understanding import Understood, Words, understood
from .wording import Wording


@dataclass(frozen=True, slots=True)
class Plan:
    """A run in which nothing is left to be refused: seeds are numbers, the model's files are there.

    `target` is None where the one picture goes to stdout.
    """

    requests: Sequence[GenerationRequest]
    settings: Settings
    target: Target | None
    folder: models.Model
    wording: Wording

    @property
    def networks(self) -> list[Tag]:
        """The LoRAs of all pictures, each once."""
        tags = (tag for request in self.requests for tag in request.tags)
        return list(dict.fromkeys(tags))


def planned(words: Words, *, json: bool) -> Plan:
    """Work out the run. Raises UsageErrors with all that is wrong, ModelError."""
    target: list[Target | None] = []

    def aim(settings: Settings, pictures: int, inits: int) -> None:
        target.append(_target(settings, pictures, inits, json=json))
        _check_animation(settings, pictures)

    found = understood(words, aim)
    base, settings, wording = found.base, found.settings, found.wording
    bases = [base]
    if found.inits:
        bases = [base.model_copy(update={"init_img": init}) for init in found.inits]
        if base.upscale is None:
            bases = [sized(each, ui.warn) for each in bases]
    sizes = {_size(each) for each in bases}
    if settings.animate and len(sizes) > 1:
        raise UsageError("--animate: the pictures have more than one size", "give --size")
    if base.hires:
        check_upscaler(base.hires_upscaler)
    if base.upscale is not None:
        check_upscaler(base.upscaler)
    jobs = [job for each in bases for job in _of_all_seeds(each, found)]
    requests = [wording.of(job) for job in jobs]
    if base.invert and len({(job.prompt, job.init_img) for job in requests}) < len(requests):
        raise UsageError(
            f"--invert: all {len(requests)} pictures would be the same, for their noise is that of "
            "the picture, not of their seeds",
            "leave out --count and all seeds but one",
        )
    if not settings.no_metadata and settings.file_format == "jpg":
        for request in requests:
            check_fits(write_text(request, wording.told(request)), "jpg")
    if unknown := {tag for request in requests for tag in request.unknown_tags}:
        ui.warn(f"left out, since nobody knows their kind: {', '.join(sorted(unknown))}")
    folder = models.find(
        base.model, folders=settings.models_folders, offline=settings.offline, say=ui.say
    )
    folder = with_vae(folder, base.vae, folders=settings.models_folders, say=ui.say)
    plan = Plan(requests, settings, target[0], folder, wording)
    for tag in plan.networks:
        read_header(find_lora(tag.name, settings.models_folders))
    return plan


def _size(request: GenerationRequest) -> tuple[int | None, int | None]:
    """Of its picture, as far as it is known without the model. Raises UsageError."""
    if request.upscale is not None:
        return enlarged_size(read_init(request).size, request.upscale)
    if request.masked:
        return open_patch(request, ui.warn).base.size
    return request.width, request.height


def _of_all_seeds(base: GenerationRequest, found: Understood) -> list[GenerationRequest]:
    if found.settings.interpolate_seeds is None:
        return expand(base, found.seeds, count=found.settings.count)
    return walk(base, found.seeds, frames=found.settings.frames)


def _target(settings: Settings, pictures: int, inits: int, *, json: bool) -> Target | None:
    if settings.output != "-":
        return Target.of(settings, pictures, inits=inits)
    if json:
        raise UsageError("--output: - and --json both want stdout", "give --output a file")
    if pictures != 1:
        raise UsageError(f"--output: - takes one picture, not {pictures}")
    if sys.stdout.isatty():
        raise UsageError(
            "--output: - would write an image's bytes to the terminal", "pipe them somewhere"
        )
    return None


def _check_animation(settings: Settings, pictures: int) -> None:
    if settings.animate is None:
        return
    if pictures < 2:
        raise UsageError("--animate: one picture does not move", "--interpolate-seeds 1,2")
    Target.at(settings.animate, overwrite=settings.overwrite, flag="--animate")
