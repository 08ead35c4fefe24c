"""Measures of a finished model: what share of its pictures show what their prompts say."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from sdcli import Engine, GenerationRequest

from . import autoencoder, reading
from .landscape_reading import LandscapeReader
from .landscapes import Landscape
from .pictures import drawn, scene_numbers
from .questions import Question
from .shapes import ShapeScene

GUIDANCE = 5.0
STEPS = 20
AT_ONCE = 8


@dataclass(frozen=True)
class FigureShares:
    """Shares of one-figure pictures, 0 to 1, in which each thing is right."""

    colour: float
    background: float
    shape: float


@dataclass(frozen=True)
class LandscapeShares:
    """Shares of landscapes, 0 to 1, in which each thing is right."""

    time: float
    terrain: float
    both: float


def paint(
    engine: Engine, prompts: Sequence[str], *, guidance: float = GUIDANCE
) -> list[Image.Image]:
    """The prompts' pictures by DPM++ 2M Karras; picture k has seed k."""
    requests = [
        GenerationRequest(
            prompt=prompt,
            sampler="DPM++ 2M Karras",
            steps=STEPS,
            cfg_scale=guidance,
            seed=seed,
        )
        for seed, prompt in enumerate(prompts)
    ]
    images: list[Image.Image] = []
    for first in range(0, len(requests), AT_ONCE):
        run = engine.start(requests[first : first + AT_ONCE])
        for _ in run:
            pass
        images += [picture.image for picture in run.pictures()]
    return images


def one_figure(
    engine: Engine, questions: Sequence[Question[ShapeScene]], *, guidance: float = GUIDANCE
) -> FigureShares:
    """How often a single figure is what its prompt says."""
    pictures = paint(engine, [question.prompt for question in questions], guidance=guidance)
    pairs = [(q.scene, reading.read(p)) for q, p in zip(questions, pictures, strict=True)]
    return FigureShares(
        colour=_share(seen.colour == scene.figures[0].colour for scene, seen in pairs),
        background=_share(seen.background == scene.backdrop.colour for scene, seen in pairs),
        shape=_share(seen.shape == scene.figures[0].shape for scene, seen in pairs),
    )


def two_figures(engine: Engine, questions: Sequence[Question[ShapeScene]]) -> float:
    """How often both figures have their colours on their own sides."""
    pictures = paint(engine, [question.prompt for question in questions])
    return _share(
        reading.read_halves(picture, stacked=question.scene.relation == "above")
        == tuple(figure.colour for figure in question.scene.figures)
        for question, picture in zip(questions, pictures, strict=True)
    )


def landscapes(
    engine: Engine, questions: Sequence[Question[Landscape]], reader: LandscapeReader
) -> LandscapeShares:
    """How often time of day and terrain are what the prompt says."""
    seen = reader.read(paint(engine, [question.prompt for question in questions]))
    pairs = [(question.scene, answer) for question, answer in zip(questions, seen, strict=True)]
    return LandscapeShares(
        time=_share(scene.time == time for scene, (time, _) in pairs),
        terrain=_share(scene.terrain == terrain for scene, (_, terrain) in pairs),
        both=_share((scene.time, scene.terrain) == answer for scene, answer in pairs),
    )


def variety(engine: Engine, number: int) -> float:
    """How much pictures of no prompt differ from one another; 1 is as much as drawn ones do."""
    made = np.stack([np.asarray(p) for p in paint(engine, [""] * number, guidance=1.0)])
    real = drawn(scene_numbers(number, held_out=True)).transpose(0, 2, 3, 1)
    return _mean_distance(made) / _mean_distance(real)


def reconstruction(folder: Path, number: int = 256) -> float:
    """The autoencoder's round trip of held-out scenes, dB."""
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    return autoencoder.psnr(vae, drawn(scene_numbers(number, held_out=True)), torch.device("cpu"))


def seconds_a_picture(engine: Engine, repeats: int = 9) -> float:
    """Median time of one picture with guidance, prompt to pixels."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        paint(engine, ["a red house in the snow at night"])
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])  # the first one warms up


def size(folder: Path) -> float:
    """What the folder takes on disk, MiB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _share(answers: Iterable[bool]) -> float:
    return statistics.fmean(answers)


def _mean_distance(pictures: np.ndarray) -> float:
    """The mean over all pairs of pictures of their root mean square difference."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    first, second = np.triu_indices(len(flat), k=1)
    return float(np.sqrt(np.square(flat[first] - flat[second]).mean(axis=1)).mean())
