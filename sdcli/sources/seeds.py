"""How seeds and counts become a list of requests, each with its concrete seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from sdcli.errors import UsageError
from sdcli.request import GenerationRequest
from sdcli.request.build import RANDOM_SEEDS, random_seed

_MOST = 100_000  # pictures of one row


Draw = Callable[[], int]
"""Gives a seed where -1 was asked for."""


def draws_from(start: int) -> Draw:
    """Return a source of seeds that repeats itself for the same `start`."""
    source = random.Random(start)
    return lambda: source.randrange(RANDOM_SEEDS)


def parse_seeds(text: str | int, draw: Draw = random_seed) -> list[int]:
    """Parse seeds: `7`, `1,2,5-8`; -1 for one that is drawn. Raises UsageError."""
    seeds: list[int] = []
    for part in str(text).split(","):
        part = part.strip()
        if part == "-1":
            seeds.append(draw())
        elif match := re.fullmatch(r"(\d{1,20})(?:-(\d{1,20}))?", part, flags=re.ASCII):
            first, last = int(match[1]), int(match[2] or match[1])
            if max(first, last) >= 2**64:
                raise UsageError(f"--seed: {part} is too large", "seeds end at 2**64 - 1")
            if last < first:
                raise UsageError(f"--seed: the range {part} runs backwards", f"try {last}-{first}")
            if last - first >= _MOST:
                raise UsageError(f"--seed: the range {part} has more than {_MOST:,} seeds")
            seeds.extend(range(first, last + 1))
        else:
            raise UsageError(
                f"--seed: {str(text)!r} is not a seed",
                "give a number, a list such as 1,2,5-8, or -1",
            )
        if len(seeds) > _MOST:
            raise UsageError(f"--seed: there are more than {_MOST:,} seeds")
    return seeds


def with_variation_seed(values: Mapping[str, Any], draw: Draw = random_seed) -> dict[str, Any]:
    """Draw the variation seed where it is -1 or none, if there is a variation strength."""
    values = dict(values)
    if str(values.get("variation_seed", -1)).strip() == "-1":
        values.pop("variation_seed", None)
        try:
            wanted = float(values.get("variation_strength", 0)) > 0
        except (TypeError, ValueError, OverflowError):
            wanted = False  # which the schema will say
        if wanted:
            values["variation_seed"] = draw()
    return values


def expand(base: GenerationRequest, seeds: list[int], *, count: int) -> list[GenerationRequest]:
    """Return one request a picture, in order: for each seed, seed, seed+1, … `count` of them.

    Variations of a seed keep it, and count the variation seed up instead, as in A1111. Raises
    UsageError where that runs past the greatest seed, and for more than 100,000 of them.
    """
    if len(seeds) * count > _MOST:
        raise UsageError(f"--count: {len(seeds) * count:,} pictures are more than {_MOST:,}")
    varied = base.variation_seed
    wanted = [
        {"seed": seed + i} if varied is None else {"seed": seed, "variation_seed": varied + i}
        for seed in seeds
        for i in range(count)
    ]
    if any(seed >= 2**64 for each in wanted for seed in each.values()):
        raise UsageError("--count: the seeds run past the last one, 2**64 - 1")
    return [base.model_copy(update=each) for each in wanted]


def walk(base: GenerationRequest, seeds: list[int], *, frames: int) -> list[GenerationRequest]:
    """Walk from seed to seed in pictures, both ends among them, each with its own recipe.

    Between two seeds lie variations of the one towards the other. Raises UsageError for a sampler
    whose noise on the way would make every picture another.
    """
    if len(seeds) < 2:
        raise UsageError("--interpolate-seeds: it needs at least two seeds", "1,2")
    if base.variation_strength:
        raise UsageError("--interpolate-seeds does not work with a variation")
    if base.invert:
        raise UsageError(
            "--interpolate-seeds does not work with --invert, whose noise is the picture's"
        )
    if base.draws_on_the_way:
        raise UsageError(
            "--interpolate-seeds: this sampler adds noise, so neighbors would not be alike",
            "use a sampler that adds none, such as DPM++ 2M, Euler or DDIM",
        )
    requests = []
    for frame in range(frames):
        leg, place = divmod(frame * (len(seeds) - 1), frames - 1)
        change: dict[str, Any] = {"seed": seeds[leg]}
        if place:
            share = place / (frames - 1)
            change |= {"variation_seed": seeds[leg + 1], "variation_strength": share}
        requests.append(base.model_copy(update=change))
    return requests
