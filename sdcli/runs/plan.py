"""Owns planning: everything that can be wrong with a run is found before torch is imported."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sdcli import models
from sdcli.cli import console as ui
from sdcli.errors import Problems, UsageError
from sdcli.images.formats import check_fits
from sdcli.images.upscalers import check_upscaler
from sdcli.models.header import read_header
from sdcli.models.library import find_lora
from sdcli.models.vae import with_vae
from sdcli.request import GenerationRequest
from sdcli.request.pictures import enlarged_size, open_patch, read_init, sized
from sdcli.request.settings import Settings
from sdcli.sources.infotext import write_text
from sdcli.sources.layers import Layer
from sdcli.sources.rows import Row
from sdcli.sources.seeds import draws_from, expand, random_seed, walk
from sdcli.sources.sweeps import ONLY, Cell, cells, parse_sweeps

from .inputs import Words
from .journal import Journal
from .output import Target
from .preview import check_preview
from .resolve import Understood, understood


@dataclass(frozen=True, slots=True)
class Job:
    """One picture of a plan: its `number` from 1, its `row` in a file, its request and its model.

    `dtype` is the number format that it is made in, as in the settings: pictures that are made
    again have their own.

    `cell` is what was chosen for it in a sweep, `told` is for the picture's text: what its prompts
    were before their choices were made. `identity` is what it has in common with the same job of
    the same file at another time.
    """

    number: int
    row: int
    request: GenerationRequest
    folder: models.Model
    told: Mapping[str, str]
    identity: str
    dtype: str = "auto"
    preset: str = ""
    cell: Cell = ONLY


@dataclass(frozen=True, slots=True)
class Plan:
    """A run in which nothing is left to be refused: seeds are numbers, the models' files are there.

    `target` is None where the one picture goes to stdout. What is made is noted in the `journal`;
    the jobs of the numbers in `done` are finished, or another process does them. Seeds were `drawn`
    if some row names none. `insists` that pictures are shown: --show was typed, not only kept in
    the config.
    """

    jobs: Sequence[Job]
    settings: Settings
    target: Target | None
    journal: Journal | None = None
    done: frozenset[int] = frozenset()
    drawn: bool = False
    insists: bool = False

    @property
    def left(self) -> list[Job]:
        """The jobs that are still to be done, here."""
        return [job for job in self.jobs if job.number not in self.done]


def together(plans: Sequence[Plan], *, after: int = 0) -> Plan:
    """All plans as one, numbered on `after` earlier ones; settings and target are the first's.

    A job without a row is its own.
    """
    jobs = [job for plan in plans for job in plan.jobs]
    numbered = [
        replace(job, number=number, row=job.row or number)
        for number, job in enumerate(jobs, start=after + 1)
    ]
    return replace(plans[0], jobs=numbered, drawn=any(plan.drawn for plan in plans))


def planned_row(row: Row, words: Words, file: str, *, among: int, json: bool) -> Plan:
    """The plan of a row of a file, for which `words` are defaults. Raises UsageErrors, ModelError.

    Its jobs' row is its line.
    """
    values = {key: value for key, value in row.values.items() if key != "preset"}
    if "prompt" not in values and not words.flags.get("prompt"):
        raise UsageError(f"{file}, line {row.line}: there is no prompt")
    layer = Layer(f"{file}, line {row.line}", values)
    plan = planned(replace(words, row=layer, row_presets=row.presets), json=json, among=among)
    return replace(plan, jobs=[replace(job, row=row.line) for job in plan.jobs])


def planned(words: Words, *, json: bool, among: int = 1) -> Plan:
    """Work out the run. Raises UsageErrors with all that is wrong, ModelError.

    Its output has room for the pictures of so many plans (`among`) of the same kind.
    """
    target: list[Target | None] = []

    def aim(settings: Settings, pictures: int, inits: int) -> None:
        target.append(_target(settings, among * pictures, among * inits, json=json))
        _check_animation(settings, pictures)
        check_preview(settings)

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
        base.model,
        folders=settings.models_folders,
        offline=settings.offline,
        digest=found.model_hash,
        say=ui.say,
    )
    folder = with_vae(folder, base.vae, folders=settings.models_folders, say=ui.say)
    for name in sorted({tag.name for request in requests for tag in request.tags}):
        read_header(find_lora(name, settings.models_folders))
    preset = next(reversed((*words.presets, *words.row_presets)), "")
    made = [
        Job(
            *(number, 0, request, folder, wording.told(request)),
            _identity(request, number, found),
            dtype=settings.dtype,
            preset=preset,
            cell=words.cell,
        )
        for number, request in enumerate(requests, start=1)
    ]
    insists = bool(words.flags.get("show"))
    return Plan(made, settings, target[0], drawn=found.drawn, insists=insists)


def _identity(request: GenerationRequest, number: int, found: Understood) -> str:
    """The request; if its seed was drawn, what it was drawn for, and its place in that."""
    if not found.drawn:
        return request.model_dump_json()
    texts = {key: template.text for key, template in found.wording.templates.items()}
    own = {"seed", "variation_seed", *texts}
    return repr((request.model_dump(exclude=own), texts, number))


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


_MOST = 100_000  # combinations


def combinations(texts: Sequence[str]) -> list[Cell]:
    """Those of the sweeps, as typed; the empty one where there are none. Raises UsageError."""
    sweeps = parse_sweeps(texts)
    count = math.prod(len(sweep.values) for sweep in sweeps)
    if count > _MOST:
        raise UsageError(f"--sweep: {count:,} combinations are more than {_MOST:,}")
    return list(cells(sweeps))


def swept(words: Words, every: Sequence[Cell], plan: Callable[[Words], Plan]) -> Plan:
    """One plan of all combinations' plans. Raises UsageErrors with what is wrong in any.

    A seed that nobody names is drawn once, so that pictures differ by what is swept alone.
    """
    problems = Problems()
    plans = []
    for own in _each(words, every):
        with problems.gather():
            plans.append(plan(own))
    problems.raise_if_any()
    return together(plans)


def _each(words: Words, every: Sequence[Cell]) -> Iterator[Words]:
    start = random_seed()
    for cell in every:
        yield replace(words, cell=cell, draw=draws_from(start))
