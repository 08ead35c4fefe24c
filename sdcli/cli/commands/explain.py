"""`sdcli explain`: the noise levels, timesteps and model calls of a run, as table or plot."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.completion import samplers
from sdcli.cli.console import Console
from sdcli.errors import UsageError
from sdcli.models import BUILTIN
from sdcli.models.families import STABLE_DIFFUSION
from sdcli.sampling import Sampler, resolve
from sdcli.sampling.noise_tables import TrainingTable, scaled_linear
from sdcli.sampling.trace import TracedStep

if TYPE_CHECKING:
    from PIL.Image import Image

app = new_app()

SHOWN = 8  # pictures of a row; Pillow's own font has no σ
MOST_STEPS = 1000
COLUMNS = ("STEP", "σ", "t", "λ", "Δλ", "CALLS", "ALSO ASKED AT σ")


@command(app)
def explain(
    console: Console,
    names: Annotated[
        list[str],
        typer.Argument(metavar="SAMPLER...", help="One or more samplers.", autocompletion=samplers),
    ],
    steps: Annotated[
        str, option("--steps", panel="Sampling", metavar="N", help="Steps [default: 20].")
    ] = "20",
    plot: Annotated[
        str,
        option("--plot", panel="Output", metavar="FILE", help="Draw the noise levels to this PNG."),
    ] = "",
    on: Annotated[
        str,
        option(
            "--on",
            panel="Picture",
            metavar="IMAGE",
            help="Draw this picture at those noise levels instead.",
        ),
    ] = "",
    model: Annotated[
        str,
        option(
            "--model", "-m", panel="Model", metavar="MODEL", help="Model whose VAE encodes IMAGE."
        ),
    ] = "",
    json: Json = False,
) -> int:
    """Show the noise levels, timesteps and model calls of a run.

    For Stable Diffusion's noise schedule. Several samplers are printed one after the other and
    share one plot. λ is -log σ; Δλ is the length of a step. `--on` with `--plot` draws what the
    model gets on the way: your picture with the noise of some of the steps.
    """
    count = _count(steps)
    table = scaled_linear()
    samplers = [resolve(name) for name in names]
    runs = [(sampler, _trace(sampler, count, table)) for sampler in samplers]
    if on and not plot:
        raise UsageError("--on works only with --plot", "add --plot FILE.png")
    if model and not on:
        raise UsageError("--model works only with --on", "leave it out")
    if plot:
        if not plot.lower().endswith(".png"):
            raise UsageError(f"--plot: {plot} must end in .png")
        _save(Path(plot), _sheet(Path(on), model or BUILTIN, runs, console) if on else _lines(runs))
    for sampler, run in runs:
        if json:
            console.out_json(_facts(sampler, run, table))
            continue
        calls = sum(len(step.calls) for step in run)
        console.out(f"{title(sampler)}: {len(run)} steps, {calls} model calls{_remark(sampler)}")
        console.table(COLUMNS, _rows(run, table))
    return 0


def _trace(sampler: Sampler, steps: int, table: TrainingTable) -> list[TracedStep]:
    if not sampler.scheduler:
        return sampler.trace(sampler.sigmas(steps))
    from sdcli.engine.diffusers_solver import DiffusersSolver

    solver = DiffusersSolver(sampler, STABLE_DIFFUSION, table, steps=steps)
    return solver.trace(solver.sigmas)


def title(sampler: Sampler) -> str:
    """Return the sampler and the schedule that it runs on."""
    return sampler.name if sampler.grid else f"{sampler.name}, {sampler.resolved_schedule.name}"


def _remark(sampler: Sampler) -> str:
    if sampler.adaptive:
        return " with a model that is sure; another picture takes other steps"
    return ", noise at each step" if sampler.stochastic else ""


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_STEPS:
        raise UsageError(f"--steps: must be a whole number from 1 to {MOST_STEPS}, got {text!r}")
    return int(text)


def _rows(run: list[TracedStep], table: TrainingTable) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number, step in enumerate(run):
        sigma = step.sigma
        ahead = run[number + 1].sigma if number + 1 < len(run) else 0.0
        length = f"{math.log(sigma / ahead):.3f}" if ahead else "∞"
        if ahead > sigma:
            length = f"↑ {ahead:.4f}"  # Restart: noise is added
        rows.append(
            (
                str(number + 1),
                f"{sigma:.4f}",
                f"{table.timestep(sigma):.1f}",
                f"{-math.log(sigma):.3f}",
                length,
                str(len(step.calls)),
                " ".join(f"{other:.4f}" for other in step.calls[1:]),
            )
        )
    return rows


def _facts(sampler: Sampler, run: list[TracedStep], table: TrainingTable) -> dict[str, Any]:
    return {
        "sampler": sampler.name,
        "schedule": sampler.resolved_schedule.name,
        "options": {key: str(value) for key, value in sampler.options.items()},
        "evaluations": sum(len(step.calls) for step in run),
        "steps": [
            {"sigma": step.sigma, "timestep": table.timestep(step.sigma), "asked": step.calls}
            for step in run
        ],
    }


def _lines(runs: list[tuple[Sampler, list[TracedStep]]]) -> bytes:
    from sdcli.images.drawing import chart

    lines = {
        title(sampler): [(number, step.sigma) for number, step in enumerate(run, start=1)]
        for sampler, run in runs
    }
    return chart(lines, across="step", up="noise level (sigma)")


def _sheet(
    image: Path, model: str, runs: list[tuple[Sampler, list[TracedStep]]], console: Console
) -> bytes:
    from sdcli.engine import Engine
    from sdcli.images.drawing import sheet
    from sdcli.images.formats import open_picture

    picture = open_picture(image)
    with console.status("loading the model"):
        engine = Engine.load(model)
    picture = _fitted(picture, engine.model.native_size, engine.model.latents.multiple)
    rows = {}
    for sampler, run in runs:
        last = len(run) - 1
        places = sorted({round(i * last / (SHOWN - 1)) for i in range(SHOWN)})
        sigmas = [run[place].sigma for place in places]
        labels = [
            f"step {place + 1}: sigma {sigma:.3g}"
            for place, sigma in zip(places, sigmas, strict=True)
        ]
        rows[title(sampler)] = list(zip(labels, engine.noised(picture, sigmas), strict=True))
    return sheet(rows)


def _fitted(picture: Image, side: int, multiple: int) -> Image:
    """Return the picture at the model's own size: its longer side `side`, both `multiple`s."""
    scale = side / max(picture.size)
    width, height = (
        max(multiple, round(length * scale / multiple) * multiple) for length in picture.size
    )
    return picture.convert("RGB").resize((width, height))


def _save(path: Path, png: bytes) -> None:
    from sdcli.files import write_atomically

    try:
        write_atomically(path, png, overwrite=True)
    except OSError as error:
        raise UsageError(f"--plot: cannot write {path}: {error.strerror}") from error
