"""Owns what was typed: the words of a command, as layers from the least to the most important."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcli.cli import console as ui
from sdcli.errors import Problems, UsageError
from sdcli.request.fields import parse_size
from sdcli.request.settings import Settings
from sdcli.sources import config, presets
from sdcli.sources.infotext.keys import COARSE, NUMBER_FORMAT
from sdcli.sources.infotext.recipe import read_recipe
from sdcli.sources.layers import Layer
from sdcli.sources.rows import checked
from sdcli.sources.seeds import Draw, random_seed
from sdcli.sources.sweeps import ONLY, Cell

from .templates import PICTURE

MODEL_HASH = "model_hash"
"""What a picture's layer has beside its model's name."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was typed: the prompt argument, presets, a picture to take up, WxH, and the flags.

    For a `row` of a file all of that is defaults, and the presets that the row names above those.
    What is swept has its `cell` above all, and seeds that nobody names come from `draw`. Of the
    picture's settings those in `carried` are taken up; all where it is None. `alone`, they are not
    mixed with a person's own defaults.
    """

    text: str
    presets: tuple[str, ...]
    picture: str
    size: str
    flags: Mapping[str, Any]
    row: Layer | None = None
    row_presets: tuple[str, ...] = ()
    cell: Cell = ONLY
    draw: Draw = random_seed
    carried: Collection[str] | None = None
    alone: bool = False


def layers_of(words: Words, problems: Problems) -> list[Layer]:
    """From the least to the most important, without those in which something is wrong."""
    layers: list[Layer] = []
    with problems.gather():
        layers.append(config.read())
    layers += _presets(words.presets, problems)
    if words.picture:
        with problems.gather():
            layers.append(picture_layer(words.picture, words.carried))
    own = config.environment()
    # A picture that is to be made again knows its model better than the environment does.
    layers.insert(1 if words.alone else len(layers), own)
    if words.alone:
        layers[:2] = [_settings_of(layer) for layer in layers[:2]]
    with problems.gather():
        layers.append(flags_layer(words))
    layers += _presets(words.row_presets, problems)
    if words.row:
        layers.append(words.row)
    with problems.gather():
        layers.append(Layer("--sweep", checked(words.cell.values)))
    return layers


def _presets(names: Sequence[str], problems: Problems) -> list[Layer]:
    found = []
    for name in names:
        with problems.gather():
            found.append(presets.find(name).layer())
    return found


def _settings_of(layer: Layer) -> Layer:
    """What of a layer says how a run is carried out, and with which model if nobody else does."""
    kept = {k: v for k, v in layer.values.items() if k in Settings.model_fields or k == "model"}
    return Layer(layer.source, kept, layer.lines)


def picture_layer(path: str, carried: Collection[str] | None) -> Layer:
    """The settings in a picture, those `carried` or all. Raises UsageError if it has none."""
    recipe = read_recipe(Path(path))
    if recipe is None:
        raise UsageError(f"{path} has no settings in it")
    values = recipe.values
    digest = recipe.settings.get("Model hash", "").casefold()
    if "model" in values and re.fullmatch(r"[0-9a-f]{8,64}", digest, re.ASCII):
        values = {**values, MODEL_HASH: digest}
    if recipe.settings.get(NUMBER_FORMAT) == COARSE:
        values = {**values, "dtype": COARSE}
    if recipe.rest:
        ui.warn(f"{path}: sdcli does not know {', '.join(recipe.rest)}")
    if carried is not None:
        kept = {*carried, MODEL_HASH}
        values = {key: value for key, value in values.items() if key in kept}
    return Layer(f"{PICTURE}{path}", values)


def flags_layer(words: Words) -> Layer:
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
