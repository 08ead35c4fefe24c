"""The Python API: what scripts and notebooks find in `sdcli`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcli.errors import Problems
from sdcli.notices import Say, silent
from sdcli.runs.events import Event, Notice
from sdcli.runs.host import Host
from sdcli.runs.inputs import Inputs
from sdcli.runs.plan import Plan, joined, plan_row
from sdcli.sources import recipes
from sdcli.sources.recipes import Recipe
from sdcli.sources.rows import Row, checked, read_rows
from sdcli.startup import fast_torch_import

if TYPE_CHECKING:
    from sdcli.engine import Engine


def load(
    model: str | os.PathLike[str] = "builtin",
    *,
    device: str = "auto",
    dtype: str = "auto",
    offload: str = "none",
    vae: str = "automatic",
    compile: bool = False,
    cuda_graphs: bool = False,
    models_dir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    offline: bool = False,
    say: Say = silent,
) -> Engine:
    """Load a model: a file, a folder, a name in the models folders, a hub id, or "builtin".

    The arguments are those of the command line's options. The engine is a context manager, which
    lets the weights go at its end. `say` is told what a person should know. Raises ModelError,
    UsageError, OutOfMemory.
    """
    several = [models_dir] if isinstance(models_dir, str | os.PathLike) else models_dir
    with fast_torch_import(compiling=compile, whole_process=False):
        from sdcli.engine import Engine

        return Engine.load(
            os.fspath(model),
            device=device,
            dtype=dtype,
            offload=offload,
            vae=vae,
            compile=compile,
            graphs=cuda_graphs,
            folders=[Path(folder).expanduser() for folder in several],
            offline=offline,
            say=say,
        )


def read_recipe(path: str | os.PathLike[str]) -> Recipe | None:
    """Read what made a picture, whatever program did; None if nothing in it says.

    Raises UsageError for a file or a recipe that is damaged.
    """
    return recipes.read_recipe(Path(path))


def plan(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    *,
    say: Say = silent,
    **defaults: Any,
) -> Plan:
    """Check everything about the pictures of a batch, and make none.

    `rows` are a batch file, or settings, one mapping a picture; `defaults` are those of the
    command line's options, by their fields' names. Raises UsageErrors with all that is wrong,
    ModelError.
    """
    if isinstance(rows, str | os.PathLike):
        name = os.fspath(rows)
        checked_rows, problems = read_rows(Path(rows))
    else:
        name, problems, checked_rows = "rows", Problems(), []
        for number, values in enumerate(rows, start=1):
            with problems.gather():
                checked_rows.append(Row(number, checked(values)))

    def notify(event: Event) -> None:
        if isinstance(event, Notice):
            say(event.text)

    plans = []
    of_row = partial(plan_row, inputs=Inputs(flags=defaults), host=Host(notify), file=name)
    for row in checked_rows:
        with problems.gather():
            plans.append(of_row(row, among=len(checked_rows)))
    problems.raise_if_any()
    return joined(plans)
