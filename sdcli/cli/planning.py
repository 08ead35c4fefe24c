"""Owns planning: everything that can be wrong with a run is found before torch is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcli import config, models, presets
from sdcli.errors import Problems, UsageError
from sdcli.fields import parse_size
from sdcli.init_image import open_patch, sized
from sdcli.jobs import expand, parse_seeds, with_variation_seed
from sdcli.layers import Layer, Merged, merge, validate
from sdcli.metadata import read_text, to_values, write_text
from sdcli.models.header import read_header
from sdcli.models.library import find_lora
from sdcli.models.vae import with_vae
from sdcli.output import Target
from sdcli.picture_files import check_fits, read_file
from sdcli.prompts.networks import Tag
from sdcli.request import GenerationRequest
from sdcli.settings import Settings
from sdcli.upscalers import check_upscaler

from . import ui
from .wording import PICTURE, Wording, worded


@dataclass(frozen=True, slots=True)
class Words:
    """What was typed: the prompt argument, presets, a picture to take up, WxH, and the flags."""

    text: str
    presets: tuple[str, ...]
    picture: str
    size: str
    flags: Mapping[str, Any]


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


@dataclass(frozen=True, slots=True)
class Understood:
    """What was typed, once it is all legal: `base` is the first of the pictures of all seeds."""

    base: GenerationRequest
    seeds: list[int]
    settings: Settings
    wording: Wording


def planned(words: Words, *, json: bool) -> Plan:
    """Work out the run. Raises UsageErrors with all that is wrong, ModelError."""
    target: list[Target | None] = []

    def aim(settings: Settings, seeds: Sequence[int]) -> None:
        target.append(_target(settings, len(seeds) * settings.count, json=json))

    found = understood(words, aim)
    base, settings, wording = found.base, found.settings, found.wording
    if base.init_img is not None:
        base = sized(base)
        if base.masked:
            open_patch(base, ui.warn)
    if base.hires:
        check_upscaler(base.hires_upscaler)
    requests = [wording.of(each) for each in expand(base, found.seeds, count=settings.count)]
    if base.invert and len({request.prompt for request in requests}) < len(requests):
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


def understood(
    words: Words, also: Callable[[Settings, Sequence[int]], None] = lambda *_: None
) -> Understood:
    """Layer upon layer put together and checked, and what the command checks `also`.

    Raises UsageErrors with all that is wrong.
    """
    problems = Problems()
    merged = merge(_layers(words, problems))
    if not problems:  # a person who must type again should not have waited for a pipe to end
        with problems.gather():
            merged = _with_stdin(merged)
    seeds = [0]
    with problems.gather():
        seeds = parse_seeds(merged.values.get("seed", -1))
    settings = base = wording = None
    with problems.gather():
        settings = validate(Settings, merged.values, merged)
    values = with_variation_seed({**merged.values, "seed": seeds[0]})
    if settings:
        with problems.gather():
            wording = worded(merged, settings)
            values |= {
                key: text
                for key, text in wording.values(seeds[0]).items()
                if text != (typed := merged.values.get(key, "")) and isinstance(typed, str)
            }
    with problems.gather():
        base = validate(GenerationRequest, values, merged)
    if settings:
        with problems.gather():
            also(settings, seeds)
    problems.raise_if_any()
    assert settings is not None
    assert base is not None
    assert wording is not None
    return Understood(base, seeds, settings, wording)


def _layers(words: Words, problems: Problems) -> list[Layer]:
    """From the least to the most important, without those in which something is wrong."""
    layers = []
    with problems.gather():
        layers.append(config.read())
    for name in words.presets:
        with problems.gather():
            layers.append(presets.find(name).layer())
    if words.picture:
        with problems.gather():
            layers.append(_picture_layer(words.picture))
    layers.append(config.environment())
    with problems.gather():
        layers.append(_flags(words))
    return layers


def _picture_layer(path: str) -> Layer:
    text = read_file(Path(path))
    if text is None:
        raise UsageError(f"--from: {path} has no settings in it")
    values, rest = to_values(read_text(text))
    if rest:
        ui.warn(f"--from {path}: sdcli does not know {', '.join(rest)}")
    return Layer(f"{PICTURE}{path}", values)


def _flags(words: Words) -> Layer:
    """What was typed, and only that, as the topmost layer."""
    values = {
        key: value for key, value in words.flags.items() if value not in (None, False, [], ())
    }
    if words.text:
        if "prompt" in values:
            raise UsageError("the prompt is given twice", "leave out --prompt or the argument")
        values["prompt"] = words.text
    if words.size:
        try:
            width, height = parse_size(words.size)
        except UsageError as error:
            raise UsageError(f"--size: {error.message}", error.hint) from error
        if values.keys() & {"width", "height"}:
            raise UsageError("--size and --width or --height contradict each other")
        values |= {"width": width, "height": height}
    return Layer("", values)


def _with_stdin(merged: Merged) -> Merged:
    """The prompt from standard input: for `-`, or where there is none and a pipe feeds us."""
    prompt = merged.values.get("prompt")
    if prompt != "-" and (prompt is not None or sys.stdin is None or sys.stdin.isatty()):
        return merged
    text = sys.stdin.read() if sys.stdin else ""
    if prompt == "-" and not text.strip():
        raise UsageError("--prompt: nothing came from standard input")
    return Merged({**merged.values, "prompt": text.strip()}, merged.origins)


def _target(settings: Settings, pictures: int, *, json: bool) -> Target | None:
    if settings.output != "-":
        return Target.of(settings, pictures)
    if json:
        raise UsageError("--output: - and --json both want stdout", "give --output a file")
    if pictures != 1:
        raise UsageError(f"--output: - takes one picture, not {pictures}")
    if sys.stdout.isatty():
        raise UsageError(
            "--output: - would write an image's bytes to the terminal", "pipe them somewhere"
        )
    return None
