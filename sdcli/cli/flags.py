"""The schemas' fields as parameters of commands, so that no flag is written down twice."""

from __future__ import annotations

from collections.abc import Collection
from inspect import Parameter
from typing import Annotated, Any

import typer

from sdcli.request import GenerationRequest
from sdcli.request.fields import flags_of
from sdcli.request.settings import Settings
from sdcli.sources.layers import ALL_KEYS

from .command import option
from .completion import OFFERS, preset_names

SizeFlag = Annotated[
    str, option("--size", panel="Picture", metavar="WxH", help="Width and height at once.")
]
SweepFlag = Annotated[
    list[str],
    option(
        "--sweep",
        panel="Sampling",
        metavar="KEY=VALUES",
        help="Try every value: steps=10,20 or sampler=Euler|DDIM; repeatable.",
    ),
]
GridFlag = Annotated[
    bool,
    typer.Option(
        "--grid",
        help="Also save a labeled sheet of all pictures, and results.csv.",
        rich_help_panel="Output",
    ),
]
PresetFlag = Annotated[
    list[str],
    option(
        "--preset",
        panel="Prompt",
        metavar="NAME",
        help="Named settings; repeatable, later ones win.",
        autocompletion=preset_names,
    ),
]


def parameters(names: Collection[str] = ALL_KEYS) -> list[Parameter]:
    """Return a keyword for each of these fields; the value of one that is not typed is empty."""
    found = []
    for schema in (GenerationRequest, Settings):
        for name, flag in flags_of(schema).items():
            if name not in names:
                continue
            field = schema.model_fields[name]
            shown = field.get_default()
            help = str(field.description)
            if shown not in (None, "", False, ()) and not field.is_required():
                help += f" [default: {shown}]"
            if field.annotation is bool:
                annotation: Any = Annotated[
                    bool, typer.Option(*flag.names, help=help, rich_help_panel=flag.panel)
                ]
                default: Any = False
            else:
                chosen = option(
                    *flag.names,
                    panel=flag.panel,
                    metavar=flag.metavar,
                    help=help,
                    autocompletion=OFFERS.get(name),
                )
                annotation, default = Annotated[str, chosen], None
                if flag.repeatable:
                    annotation, default = Annotated[list[str], chosen], []
            found.append(
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
    return found
