"""What a command was given, as layers from the least to the most important."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdcli.errors import Problems, UsageError
from sdcli.request.build import random_seed
from sdcli.request.fields import parse_size
from sdcli.request.infotext.keys import COARSE, NUMBER_FORMAT
from sdcli.request.settings import Settings
from sdcli.sources.layers import Layer
from sdcli.sources.rows import checked
from sdcli.sources.seeds import Draw
from sdcli.sources.sweeps import ONLY, Cell

from .catalogue import Catalogue
from .templates import PICTURE

MODEL_HASH = "model_hash"
"""What a picture's layer has beside its model's name."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The prompt argument, presets, a picture to take settings from, WxH, and the flags.

    For a `row` of a file all of that is defaults, and the presets that the row names stand above
    those. A sweep's `cell` stands above all, and seeds that nobody names come from `draw`. Of the
    picture's settings those in `carried` are taken; all where it is None. `alone`, they are not
    mixed with a person's own defaults.
    """

    text: str = ""
    presets: tuple[str, ...] = ()
    picture: str = ""
    size: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    row: Layer | None = None
    row_presets: tuple[str, ...] = ()
    cell: Cell = ONLY
    draw: Draw = random_seed
    carried: Collection[str] | None = None
    alone: bool = False


def input_layers(inputs: Inputs, catalogue: Catalogue, problems: Problems) -> list[Layer]:
    """Return the layers from the least to the most important, without those that are wrong."""
    layers: list[Layer] = []
    with problems.gather():
        layers.append(catalogue.config())
    layers += _presets(inputs.presets, catalogue, problems)
    if inputs.picture:
        with problems.gather():
            layers.append(picture_layer(inputs, catalogue))
    environment = catalogue.environment()
    # A picture that is to be made again knows its model better than the environment does.
    layers.insert(1 if inputs.alone else len(layers), environment)
    if inputs.alone:
        layers[:2] = [_settings_of(layer) for layer in layers[:2]]
    with problems.gather():
        layers.append(flags_layer(inputs))
    layers += _presets(inputs.row_presets, catalogue, problems)
    if inputs.row:
        layers.append(inputs.row)
    with problems.gather():
        layers.append(Layer("--sweep", checked(inputs.cell.values)))
    return layers


def _presets(names: Sequence[str], catalogue: Catalogue, problems: Problems) -> list[Layer]:
    layers = []
    for name in names:
        with problems.gather():
            layers.append(catalogue.preset(name))
    return layers


def _settings_of(layer: Layer) -> Layer:
    """Keep of a layer how a run is carried out, and the model if nobody else names one."""
    values = {k: v for k, v in layer.values.items() if k in Settings.model_fields or k == "model"}
    return Layer(layer.source, values, layer.lines)


def picture_layer(inputs: Inputs, catalogue: Catalogue) -> Layer:
    """Take the settings in a picture, those `carried` or all. Raises UsageError if it has none."""
    path, carried = inputs.picture, inputs.carried
    recipe = catalogue.recipe(path)
    if recipe is None:
        raise UsageError(f"{path} has no settings in it")
    values = recipe.values
    digest = recipe.settings.get("Model hash", "").casefold()
    if "model" in values and re.fullmatch(r"[0-9a-f]{8,64}", digest, re.ASCII):
        values = {**values, MODEL_HASH: digest}
    if recipe.settings.get(NUMBER_FORMAT) == COARSE:
        values = {**values, "dtype": COARSE}
    if carried is not None:
        keys = {*carried, MODEL_HASH}
        values = {key: value for key, value in values.items() if key in keys}
    return Layer(f"{PICTURE}{path}", values)


def flags_layer(inputs: Inputs) -> Layer:
    """Return what was typed, and only that, as the topmost layer. Raises UsageError."""
    values = {
        key: value for key, value in inputs.flags.items() if value not in (None, False, [], ())
    }
    if inputs.text:
        if "prompt" in values:
            raise UsageError("the prompt is given twice", "leave out --prompt or the argument")
        values["prompt"] = inputs.text
    if inputs.size:
        try:
            width, height = parse_size(inputs.size)
        except UsageError as error:
            raise UsageError(f"--size: {error.message}", error.hint) from error
        if values.keys() & {"width", "height"}:
            raise UsageError("--size and --width or --height contradict each other")
        values |= {"width": width, "height": height}
    return Layer("", values)
