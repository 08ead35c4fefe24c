"""From layers to one legal request: put together and checked, until all of it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdcli.errors import Problems, UsageError
from sdcli.request import GenerationRequest
from sdcli.request.pictures import files_of
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources.layers import REQUEST_KEYS, Merged, merge
from sdcli.sources.seeds import Draw, parse_seeds, with_variation_seed

from .host import Host, PipedText
from .inputs import MODEL_HASH, Inputs, flags_layer, input_layers, picture_layer
from .templates import Templates, read_templates


@dataclass(frozen=True, slots=True)
class Resolved:
    """Inputs that are all legal: `base` is the first of the pictures of all seeds."""

    base: GenerationRequest
    seeds: list[int]
    settings: Settings
    templates: Templates
    inits: list[str]
    model_hash: str
    """Of the file that is meant by the model's name; empty where nobody says."""
    drawn: bool
    """Whether a seed was drawn at random."""


def resolve(
    inputs: Inputs, host: Host, also: Callable[[Settings, int, int], None] = lambda *_: None
) -> Resolved:
    """Put the layers together and check them, and whatever the caller checks `also`.

    That gets the settings, the number of pictures, and that of the pictures to begin from. Raises
    UsageErrors with all that is wrong.
    """
    problems = Problems()
    merged = merge(input_layers(inputs, host.catalogue, problems))
    # A person who must type again should not have waited for a pipe to end.
    if not problems and inputs.row is None:
        with problems.gather():
            merged = _with_piped_prompt(merged, host.stdin)
    with problems.gather():
        merged = _replaced(merged, inputs.cell.replaced)
    with problems.gather():
        _check_needs(merged)
    seeds = [0]
    with problems.gather():
        seeds = _seeds(merged, inputs.draw)
    settings = base = templates = None
    with problems.gather():
        settings = host.catalogue.settings(merged)
    values = with_variation_seed({**merged.values, "seed": seeds[0]}, inputs.draw)
    if settings:
        with problems.gather():
            templates = read_templates(merged, settings, host.catalogue)
            values |= {
                key: text
                for key, text in templates.texts(seeds[0]).items()
                if text != (typed := merged.values.get(key, "")) and isinstance(typed, str)
            }
    with problems.gather():
        base = validate(GenerationRequest, values, merged)
    inits: list[str] = []
    with problems.gather():
        inits = files_of(str(init)) if (init := merged.values.get("init_img")) else []
    if settings:
        each = settings.count * len(seeds)
        if settings.interpolate_seeds is not None:
            each = settings.frames
        with problems.gather():
            also(settings, each * max(len(inits), 1), len(inits))
    problems.raise_if_any()
    assert settings is not None
    assert base is not None
    assert templates is not None
    model = merged.origins.get("model")
    digest = str(model.values.get(MODEL_HASH, "")) if model else ""
    return Resolved(base, seeds, settings, templates, inits, digest, _drawn(merged))


def _replaced(merged: Merged, pairs: Sequence[tuple[str, str]]) -> Merged:
    """Replace words of the prompts, as A1111's "Prompt S/R" does it."""
    values = dict(merged.values)
    for old, new in pairs:
        keys = [key for key in ("prompt", "negative_prompt") if old in str(values.get(key, ""))]
        if not keys:
            raise UsageError(f"--sweep: {old!r} is not in the prompts")
        values |= {key: str(values[key]).replace(old, new) for key in keys}
    return Merged(values, merged.origins)


def _drawn(merged: Merged) -> bool:
    """Return whether another time other seeds would be taken."""
    values = merged.values
    seeds = str(values.get("interpolate_seeds") or values.get("seed", -1))
    varied = values.get("variation_strength") and values.get("variation_seed") is None
    other = str(values.get("variation_seed", "")).strip() == "-1"
    return any(part.strip() == "-1" for part in seeds.split(",")) or bool(varied) or other


def explicit_values(inputs: Inputs, host: Host) -> dict[str, Any]:
    """Return the request's fields that a picture and the flags set, checked, in canonical form.

    Nothing else is mixed in. Raises UsageErrors.
    """
    problems = Problems()
    layers = []
    if inputs.picture:
        with problems.gather():
            layers.append(picture_layer(inputs, host.catalogue))
    with problems.gather():
        layers.append(flags_layer(inputs))
    merged = merge(layers)
    request = None
    with problems.gather():
        request = validate(GenerationRequest, {"prompt": "", "seed": 0, **merged.values}, merged)
    problems.raise_if_any()
    # A name may bring its schedule along, a LoRA becomes a word of the prompt.
    also = {"sampler": "scheduler", "lora": "prompt"}
    keys = dict.fromkeys(
        each for key in merged.values for each in (key, also.get(key)) if each in REQUEST_KEYS
    )
    return {key: getattr(request, key) for key in keys}


def _seeds(merged: Merged, draw: Draw) -> list[int]:
    """Return the seeds to make pictures of, or to walk between."""
    walked = merged.values.get("interpolate_seeds")
    if walked is None:
        return parse_seeds(merged.values.get("seed", -1), draw)
    for key in ("seed", "count"):
        if _typed(merged, key):  # a picture's or a preset's gives way
            raise UsageError(f"--{key}: --interpolate-seeds sets it")
    return parse_seeds(walked, draw)


_NEEDS = {
    "frames": (
        "interpolate_seeds",
        "it works only with --interpolate-seeds",
        "--interpolate-seeds 1,2",
    ),
    "preview_every": ("preview", "it works only with --preview", "--preview FILE"),
}
"""Settings that mean nothing without another: which one, and what is said of that."""


def _check_needs(merged: Merged) -> None:
    for key, (other, missing, hint) in _NEEDS.items():
        if _typed(merged, key) and merged.values.get(other) is None:
            raise UsageError(f"--{key.replace('_', '-')}: {missing}", hint)


def _typed(merged: Merged, key: str) -> bool:
    """Return whether it was given on this very command line."""
    return key in merged.origins and not merged.origins[key].source


def with_piped_prompt(inputs: Inputs, host: Host) -> Inputs:
    """Take the prompt from a pipe, if one is wanted, which can be read once only.

    Raises UsageError.
    """
    merged = merge(input_layers(inputs, host.catalogue, Problems()))
    text = _with_piped_prompt(merged, host.stdin).values.get("prompt")
    if text == merged.values.get("prompt"):
        return inputs
    flags = {key: value for key, value in inputs.flags.items() if key != "prompt"}
    return replace(inputs, text=str(text), flags=flags)


def _with_piped_prompt(merged: Merged, stdin: PipedText | None) -> Merged:
    """Read the prompt from standard input: for `-`, or where there is none and a pipe feeds us."""
    prompt = merged.values.get("prompt")
    if prompt != "-" and (prompt is not None or stdin is None or not stdin.piped):
        return merged
    text = stdin.read() if stdin else ""
    if prompt == "-" and not text.strip():
        raise UsageError("--prompt: standard input is empty")
    return Merged({**merged.values, "prompt": text.strip()}, merged.origins)
