"""A picture's own text: a request as A1111's "parameters", and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sdcli.errors import UsageError
from sdcli.images.upscalers import upscaler_name
from sdcli.models import is_hub_id
from sdcli.request.options import (
    SCHEDULE_OPTIONS,
    SOLVER_OPTIONS,
    legal_options,
    obeys_ensd,
)
from sdcli.request.request import DEFAULT_STRENGTH, GenerationRequest
from sdcli.request.schema.img2img import FROM_PICTURE
from sdcli.request.schema.inpaint import MASKS, OF_A_MASK
from sdcli.sampling import AUTOMATIC, resolve, split_name
from sdcli.version import __version__

from .keys import (
    AFTER_MODEL,
    BEFORE_MODEL,
    COARSE,
    NOT_SETTINGS,
    NUMBER_FORMAT,
    OUR_PROMPTS,
    OUTCOMES,
    Row,
    file_name,
)
from .legacy import of_stable_diffusion_cpp, schedule_before_1_9, timelines_before_1_6

_NEGATIVE = "Negative prompt:"
_ITEM = re.compile(
    r"""
    (?<! [-\w /]) [- /]*              # only where a key can begin, or reading takes time n²
    (\w [-\w /]+) :                   # a key: two characters or more
    \s* ("(?: [^"\\] | \\. )+" | [^,]*)  # a JSON string, or all up to the next comma
    (?: , | $ )
    """,
    re.VERBOSE,
)
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")


@dataclass(frozen=True, slots=True)
class PictureText:
    """A "parameters" text taken apart: the two prompts and the settings, in their order."""

    prompt: str
    negative_prompt: str
    settings: Mapping[str, str]


def write_text(
    request: GenerationRequest,
    facts: Mapping[str, str] | None = None,
    *,
    hashes: Mapping[str, str] | None = None,
) -> str:
    """Write the request as A1111 v1.10.1 would, with the few keys that it lacks at the end.

    `facts` say under the keys of OUTCOMES and TEMPLATES what came of a run, `hashes` under those of
    HASHES which files made it.

    A prompt that A1111's layout cannot carry (a line "Negative prompt: …", outer blanks) is
    written a second time as JSON, so that it still comes back to the letter. `rng` is written
    always, where A1111 leaves out GPU; a local model folder by its name only.
    """
    sampler = request.resolved_sampler
    own = sampler.grid is not None or sampler.default_schedule == "Uniform"
    automatic = request.scheduler == AUTOMATIC and own
    shown = _shown(request) | {
        # A1111 writes the schedule that ran, but "Automatic" where the model's own did.
        "scheduler": AUTOMATIC
        if automatic or request.sigmas or request.timesteps
        else sampler.resolved_schedule.name,
    }
    items = _items(BEFORE_MODEL, shown)
    if request.width and request.height:
        items["Size"] = f"{request.width}x{request.height}"
    known = hashes or {}
    items |= {key: known[key] for key in ("Model hash",) if key in known}
    items["Model"] = file_name(request.model)
    items |= {key: known[key] for key in ("VAE hash",) if key in known}
    items |= _items(AFTER_MODEL, shown)
    items |= {key: known[key] for key in ("Lora hashes", "TI hashes") if key in known}
    items.pop("Eta" if sampler.unit_start else "Eta DDIM", None)  # A1111 keeps the two apart
    if is_hub_id(request.model):
        items["Model id"] = request.model
    items |= facts or {}
    plain = _layout(request, items)
    read_back = read_text(plain)
    for key, field in OUR_PROMPTS.items():
        if getattr(read_back, field) != getattr(request, field):
            items[key] = getattr(request, field)
    return _layout(request, items)


class Tries(Protocol):
    """The steps of a sampler that chooses them: those taken, and those taken back."""

    @property
    def accepted(self) -> int:
        """Steps that were taken."""

    @property
    def rejected(self) -> int:
        """Steps that were taken back."""


def outcome(*, dtype: str, evaluations: int, tries: Tries | None) -> dict[str, str]:
    """Return what a text says of a picture's making, by its keys.

    The number format where it is a coarse one (A1111's own, fp16 on a GPU, is not named), and the
    steps where the sampler chose them.
    """
    facts = {NUMBER_FORMAT: dtype} if dtype == COARSE else {}
    if tries is not None:
        counts = (evaluations, tries.accepted, tries.rejected)
        facts |= dict(zip(OUTCOMES, map(str, counts), strict=True))
    return facts


def _shown(request: GenerationRequest) -> dict[str, Any]:
    """Return the fields that are written: those not at their defaults, and what A1111 adds."""
    always = {"cfg_scale", "rng", "sampler", "seed", "steps"}
    listed = request.sigmas is not None or request.timesteps is not None
    if request.masked:
        always |= {"mask_blur"}
        if request.inpaint_area == "masked":
            always |= {"padding"}
    if request.upscale is not None:
        always |= {"upscaler", "tile_overlap"}
    if request.mimic_scale is not None:
        always |= {"threshold_percentile"}
    fields = {key: getattr(request, key) for key in GenerationRequest.model_fields}
    defaults = {key: field.default for key, field in GenerationRequest.model_fields.items()}
    shown = {key: v for key, v in fields.items() if key in always or v != defaults[key]}
    if request.init_img is not None and not request.invert and not listed:
        shown["strength"] = DEFAULT_STRENGTH if request.strength is None else request.strength
    if request.hires:  # A1111 has one key for both, which never are in one text
        shown |= {"strength": request.hires_strength, "hires_upscaler": request.hires_upscaler}
    if request.hires_sampler:  # else its schedule would be taken from the first pass
        row = request.second().resolved_sampler
        shown["hires_scheduler"] = AUTOMATIC if row.grid else row.resolved_schedule.name
    return shown


def _items(rows: tuple[Row, ...], shown: Mapping[str, Any]) -> dict[str, str]:
    return {row.key: row.write(shown[row.field]) for row in rows if row.field in shown}


def _layout(request: GenerationRequest, items: Mapping[str, str]) -> str:
    negative = f"\n{_NEGATIVE} {request.negative_prompt}" if request.negative_prompt else ""
    every = {**items, "Version": f"sdcli {__version__}"}
    line = ", ".join(f"{key}: {_quote(key, value)}" for key, value in every.items())
    return f"{request.prompt}{negative}\n{line}".strip()


def _quote(key: str, value: str) -> str:
    # Our prompts are JSON always: blanks at their ends are what they are there to keep.
    marked = value != value.strip() or any(mark in value for mark in ',\n:"')
    needs = key in OUR_PROMPTS or marked
    return json.dumps(value, ensure_ascii=False) if needs else value


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def with_items(text: str | None, items: Mapping[str, str]) -> str:
    """Return a "parameters" text with more settings at its end; of no text these alone."""
    more = ", ".join(f"{key}: {_quote(key, value)}" for key, value in items.items())
    if not text:
        return more
    return f"{text}, {more}" if read_text(text).settings else f"{text}\n{more}"


def read_text(text: str) -> PictureText:
    """Take a "parameters" text apart by A1111's rules; without settings all of it is a prompt."""
    *lines, last = text.strip().split("\n")
    items = _ITEM.findall(last)
    if len(items) < 3:
        lines, items = [*lines, last], []
    prompts: dict[bool, list[str]] = {False: [], True: []}
    negative = False
    for line in map(str.strip, lines):
        if line.startswith(_NEGATIVE):
            negative, line = True, line.removeprefix(_NEGATIVE).strip()
        prompts[negative].append(line)
    prompt, negative_prompt = ("\n".join(part).lstrip("\n") for part in prompts.values())
    settings = {key: _unquote(value.strip()) for key, value in items}
    return PictureText(prompt, negative_prompt, settings)


def to_values(text: PictureText) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the request's keys that the text sets, and the settings that sdcli cannot honour.

    Raises UsageError for a value that is no number where one must be.
    """
    settings = of_stable_diffusion_cpp(text.settings)
    values: dict[str, Any] = {"prompt": text.prompt, "negative_prompt": text.negative_prompt}
    known = set(NOT_SETTINGS)
    for row in (*BEFORE_MODEL, *AFTER_MODEL):
        known.add(row.key)
        if row.key in settings:
            try:
                values[row.field] = row.read(settings[row.key])
            except ValueError as error:
                raise UsageError(
                    f"{row.key}: {settings[row.key]!r} is not a number: the text is damaged"
                ) from error
    if "hires_upscaler" in values:
        try:
            upscaler_name(values["hires_upscaler"], latents=True)
        except UsageError:  # one of A1111's networks, which has no file's name
            known.discard("Hires upscaler")
            del values["hires_upscaler"]
    if values.keys() & {"hires_scale", "hires_size"} and "strength" in values:
        values["hires_strength"] = values.pop("strength")
    if size := _SIZE.fullmatch(settings.get("Size", "")):
        values |= {"width": int(size[1]), "height": int(size[2])}
    if model := settings.get("Model id", settings.get("Model")):
        values["model"] = model
    values |= {field: settings[key] for key, field in OUR_PROMPTS.items() if key in settings}
    if settings and "Schedule type" not in settings:
        values |= schedule_before_1_9(settings)
    if settings and "RNG" not in settings:
        values["rng"] = "nv"  # A1111's GPU noise, which nv gives on every device
    values |= timelines_before_1_6(settings, text.prompt + text.negative_prompt)
    idle = _idle(values)
    known -= {row.key for row in (*BEFORE_MODEL, *AFTER_MODEL) if row.field in idle}
    rest = {key: value for key, value in settings.items() if key not in known}
    return {key: value for key, value in values.items() if key not in idle}, rest


def _idle(values: Mapping[str, Any]) -> set[str]:
    """Return settings that A1111 wrote although the sampler ignores them, as it did with ENSD."""
    sampler, _ = split_name(values.get("sampler", ""))
    own_grid = sampler is not None and sampler.grid is not None
    schedule = AUTOMATIC if own_grid else values.get("scheduler", AUTOMATIC)
    try:
        sampler = resolve(values.get("sampler", ""), schedule)
    except UsageError:
        return set()
    idle = {*SOLVER_OPTIONS, *SCHEDULE_OPTIONS} - legal_options(sampler).keys()
    if own_grid and values.get("scheduler", AUTOMATIC) != AUTOMATIC:
        idle.add("scheduler")
    if not obeys_ensd(sampler, values):
        idle.add("ensd")
    if "init_img" not in values:  # A1111 names no picture; one of its hires fix has a strength too
        idle |= FROM_PICTURE.keys()
        if values.keys() & {"hires_scale", "hires_size"}:
            idle -= {"extra_noise"}  # which the second pass has too
    if not values.keys() & set(MASKS):
        idle |= OF_A_MASK.keys()
    if values.get("cfg_scale") == 1 and not sampler.unguided:
        idle |= {"skip_early_cfg", "ngms", "ngms_all"}
    return idle & values.keys()
