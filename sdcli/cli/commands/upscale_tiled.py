"""`sdcli upscale --tile`: each picture made larger and anew, by what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdcli.cli.console import Console
from sdcli.cli.execute import carry_out, host_of
from sdcli.request.options import LISTED
from sdcli.request.pictures import files_of
from sdcli.request.schema.basics import ModelFields, PromptFields
from sdcli.request.schema.guidance import ApproximateFields, GuidanceFields
from sdcli.request.schema.sampling import SamplingFields
from sdcli.request.schema.upscale import OF_A_SECOND_PASS
from sdcli.request.settings import DEFAULT_OUTPUT
from sdcli.runs.inputs import Inputs
from sdcli.runs.output import named_after
from sdcli.runs.plan import joined, plan_inputs
from sdcli.sources import config
from sdcli.sources.recipes import read_recipe

_STRENGTH = "0.3"  # more, and each tile becomes a picture of the prompt by itself
_CARRIED = {
    field
    for schema in (PromptFields, ModelFields, SamplingFields, GuidanceFields, ApproximateFields)
    for field in schema.model_fields
    if field not in {*LISTED, *OF_A_SECOND_PASS}
} | {"width", "height"}  # a picture's size is that of its tiles


def upscale_tiled(console: Console, images: Sequence[str], typed: Mapping[str, Any]) -> int:
    """Make each picture larger as `given` says; returns the exit code.

    All are planned before the first is made. Raises SdcliError for what is wrong with any.
    """
    paths = [path for text in images for path in files_of(text, "IMAGE")]
    output = typed.get("output") or _default_of("output") or DEFAULT_OUTPUT
    flags = {"strength": _STRENGTH, **typed, "output": named_after(output)}
    host = host_of(console)
    plans = []
    for path in paths:
        source = path if read_recipe(Path(path)) else ""
        own = flags if source else {"prompt": "", **flags}
        own = {**own, "init_img": path}
        inputs = Inputs(picture=source, flags=own, carried=_CARRIED)
        plans.append(plan_inputs(inputs, host, among=len(paths)))
    return carry_out(joined(plans), console, json=False)


def _default_of(key: str) -> Any:
    """Return the value that the environment or the config file sets."""
    return config.environment().values.get(key, config.read().values.get(key))
