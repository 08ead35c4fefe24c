"""Plans: everything that can be wrong with a run is found before torch is imported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sdcli.errors import Problems, UsageError
from sdcli.images.formats import check_fits
from sdcli.images.upscalers import check_upscaler
from sdcli.models import Model
from sdcli.request import GenerationRequest
from sdcli.request.build import random_seed
from sdcli.request.infotext import write_text
from sdcli.request.pictures import enlarged_size, open_patch, read_init, sized
from sdcli.request.settings import Settings
from sdcli.sources.layers import Layer
from sdcli.sources.rows import Row
from sdcli.sources.seeds import draws_from, expand, walk
from sdcli.sources.sweeps import ONLY, Cell, cells, parse_sweeps

from .host import Host
from .inputs import Inputs
from .journal import Journal
from .output import Target
from .preview import check_preview
from .resolve import Resolved, resolve


@dataclass(frozen=True, slots=True)
class Job:
    """One picture of a plan: its `number` from 1, its `row` in a file, its request and its model.

    `dtype` is the number format that it is made in, as in the settings: pictures that are made
    again have their own. `cell` is what was chosen for it in a sweep. `templates` are for the
    picture's text: what its prompts were before their choices were made. `drawn_for` is what its
    seed was drawn for, if it was.
    """

    number: int
    row: int
    request: GenerationRequest
    model: Model
    templates: Mapping[str, str]
    drawn_for: str = ""
    dtype: str = "auto"
    preset: str = ""
    cell: Cell = ONLY

    @property
    def identity(self) -> str:
        """What it has in common with the same job of the same file at another time."""
        return self.drawn_for or self.request.model_dump_json()


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
    def remaining(self) -> list[Job]:
        """The jobs that are still to be done, here."""
        return [job for job in self.jobs if job.number not in self.done]


def joined(plans: Sequence[Plan], *, after: int = 0) -> Plan:
    """Make one plan of several, numbered on `after` earlier jobs, with the first's settings.

    A job without a row is its own.
    """
    jobs = [job for plan in plans for job in plan.jobs]
    numbered = [
        replace(job, number=number, row=job.row or number)
        for number, job in enumerate(jobs, start=after + 1)
    ]
    return replace(plans[0], jobs=numbered, drawn=any(plan.drawn for plan in plans))


def plan_row(row: Row, inputs: Inputs, host: Host, *, file: str, among: int) -> Plan:
    """Plan a row of a file, for which `inputs` are defaults; its jobs' row is its line.

    Raises UsageErrors, ModelError.
    """
    values = {key: value for key, value in row.values.items() if key != "preset"}
    if "prompt" not in values and not inputs.flags.get("prompt"):
        raise UsageError(f"{file}, line {row.line}: there is no prompt")
    layer = Layer(f"{file}, line {row.line}", values)
    plan = plan_inputs(replace(inputs, row=layer, row_presets=row.presets), host, among=among)
    return replace(plan, jobs=[replace(job, row=row.line) for job in plan.jobs])


def plan_inputs(inputs: Inputs, host: Host, *, among: int = 1) -> Plan:
    """Plan the pictures of a command. Raises UsageErrors with all that is wrong, ModelError.

    Its output has room for the pictures of so many plans (`among`) of the same kind.
    """
    target: list[Target | None] = []

    def aim(settings: Settings, pictures: int, inits: int) -> None:
        target.append(_target(settings, host, among * pictures, among * inits))
        _check_animation(settings, pictures)
        check_preview(settings)

    resolved = resolve(inputs, host, aim)
    base, settings = resolved.base, resolved.settings
    requests = _requests(resolved, host)
    if not settings.no_metadata and settings.file_format == "jpg":
        for request in requests:
            check_fits(write_text(request, resolved.templates.originals(request)), "jpg")
    if unknown := {tag for request in requests for tag in request.unknown_tags}:
        host.warn(f"ignored tags of unknown kinds: {', '.join(sorted(unknown))}")
    model = host.catalogue.model(base.model, base.vae, settings, digest=resolved.model_hash)
    for name in sorted({tag.name for request in requests for tag in request.tags}):
        host.catalogue.lora(name, settings.models_folders)
    preset = next(reversed((*inputs.presets, *inputs.row_presets)), "")
    jobs = [
        Job(
            number,
            0,
            request,
            model,
            resolved.templates.originals(request),
            _drawn_for(request, number, resolved),
            dtype=settings.dtype,
            preset=preset,
            cell=inputs.cell,
        )
        for number, request in enumerate(requests, start=1)
    ]
    insists = bool(inputs.flags.get("show"))
    return Plan(jobs, settings, target[0], drawn=resolved.drawn, insists=insists)


def _requests(resolved: Resolved, host: Host) -> list[GenerationRequest]:
    """Return one request a picture, of all seeds and all pictures to begin from."""
    base, settings = resolved.base, resolved.settings
    bases = [base]
    if resolved.inits:
        bases = [base.model_copy(update={"init_img": init}) for init in resolved.inits]
        if base.upscale is None:
            bases = [sized(each, host.warn) for each in bases]
    sizes = {_size(each, host) for each in bases}  # reads pictures and masks, too
    if settings.animate and len(sizes) > 1:
        raise UsageError("--animate: the pictures have more than one size", "give --size")
    if base.hires:
        check_upscaler(base.hires_upscaler)
    if base.upscale is not None:
        check_upscaler(base.upscaler)
    requests = [
        resolved.templates.fill(request)
        for each in bases
        for request in _of_all_seeds(each, resolved)
    ]
    if base.invert and len({(r.prompt, r.init_img) for r in requests}) < len(requests):
        raise UsageError(
            f"--invert: all {len(requests)} pictures would be the same, since their noise comes "
            "from the picture, not from their seeds",
            "leave out --count and all seeds but one",
        )
    return requests


def _drawn_for(request: GenerationRequest, number: int, resolved: Resolved) -> str:
    """Say what a drawn seed was drawn for, and its place in that; nothing if it was named."""
    if not resolved.drawn:
        return ""
    texts = {key: template.text for key, template in resolved.templates.by_field.items()}
    own = {"seed", "variation_seed", *texts}
    return repr((request.model_dump(exclude=own), texts, number))


def _size(request: GenerationRequest, host: Host) -> tuple[int | None, int | None]:
    """Return the picture's size, as far as it is known before the model is loaded.

    Raises UsageError for a picture or a mask that cannot be read.
    """
    if request.upscale is not None:
        return enlarged_size(read_init(request).size, request.upscale)
    if request.masked:
        return open_patch(request, host.warn).base.size
    return request.width, request.height


def _of_all_seeds(base: GenerationRequest, resolved: Resolved) -> list[GenerationRequest]:
    settings = resolved.settings
    if settings.interpolate_seeds is None:
        return expand(base, resolved.seeds, count=settings.count)
    return walk(base, resolved.seeds, frames=settings.frames)


def _target(settings: Settings, host: Host, pictures: int, inits: int) -> Target | None:
    if settings.output != "-":
        return host.catalogue.target(settings, pictures, inits=inits)
    host.check_stdout(pictures)
    return None


def _check_animation(settings: Settings, pictures: int) -> None:
    if settings.animate is None:
        return
    if pictures < 2:
        raise UsageError("--animate needs more than one picture", "--interpolate-seeds 1,2")
    Target.at(settings.animate, overwrite=settings.overwrite, flag="--animate")


_MOST = 100_000  # combinations


def combinations(texts: Sequence[str]) -> list[Cell]:
    """Return those of the sweeps; the empty one where there are none. Raises UsageError."""
    sweeps = parse_sweeps(texts)
    count = math.prod(len(sweep.values) for sweep in sweeps)
    if count > _MOST:
        raise UsageError(f"--sweep: {count:,} combinations are more than {_MOST:,}")
    return list(cells(sweeps))


def plan_sweep(inputs: Inputs, every: Sequence[Cell], plan: Callable[[Inputs], Plan]) -> Plan:
    """Make one plan of all combinations' plans. Raises UsageErrors with what is wrong in any.

    A seed that nobody names is drawn once, so that pictures differ by what is swept alone.
    """
    problems = Problems()
    plans = []
    for own in _each(inputs, every):
        with problems.gather():
            plans.append(plan(own))
    problems.raise_if_any()
    return joined(plans)


def _each(inputs: Inputs, every: Sequence[Cell]) -> Iterator[Inputs]:
    start = random_seed()
    for cell in every:
        yield replace(inputs, cell=cell, draw=draws_from(start))
