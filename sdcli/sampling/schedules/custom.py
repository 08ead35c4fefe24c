"""Noise levels that a person lists instead of a schedule: σ's, timesteps, or sections."""

from __future__ import annotations

from itertools import pairwise

from sdcli.errors import UsageError
from sdcli.sampling.noise_tables import TrainingTable

TRAINED = 1000  # timesteps that Stable Diffusion was trained on
_SECTIONS = "sections:"


def parse_sigmas(text: str) -> tuple[float, ...]:
    """Read "14.6, 3, 0.3" as decreasing σ's, the last of them 0. Raises UsageError."""
    sigmas = _decreasing(_numbers(text))
    return sigmas if sigmas[-1] == 0 else (*sigmas, 0.0)


def parse_timesteps(text: str) -> tuple[float, ...]:
    """Read "999, 850, 1" as decreasing training timesteps; respace "sections:10,15,20".

    Raises UsageError.
    """
    if text.strip().startswith(_SECTIONS):
        counts = _numbers(text.strip().removeprefix(_SECTIONS))
        if not all(0 <= count <= TRAINED for count in counts):
            raise UsageError(f"sections have 1 to {TRAINED} timesteps, not {text.strip()!r}")
        return respaced([int(count) for count in counts])
    timesteps = _decreasing(_numbers(text))
    if timesteps[0] > TRAINED - 1:
        raise UsageError(f"timestep {timesteps[0]:g} is above {TRAINED - 1}, the last one")
    return timesteps


def respaced(counts: list[int]) -> tuple[float, ...]:
    """Take as many timesteps of each equal section of the training range as `counts` says.

    The first section has the least noise (Nichol & Dhariwal 2021, §4). Raises UsageError.
    """
    size, rest = divmod(TRAINED, len(counts))
    timesteps: list[int] = []
    start = 0
    for index, count in enumerate(counts):
        length = size + (index < rest)
        if not 1 <= count <= length:
            raise UsageError(f"a section of {length} timesteps cannot give {count}")
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        timesteps += [start + round(i * stride) for i in range(count)]
        start += length
    return tuple(float(t) for t in reversed(timesteps))


def sigmas_at(timesteps: tuple[float, ...], table: TrainingTable) -> tuple[float, ...]:
    """Return the σ's of these timesteps, and 0."""
    return (*(table.sigma(t) for t in timesteps), 0.0)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a list of numbers", "separate them with commas"
        ) from error


def _decreasing(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0 <= value < float("inf") for value in values) or values[0] == 0:
        raise UsageError("noise levels must be numbers from 0 up, and the first above 0")
    for high, low in pairwise(values):
        if high <= low:
            raise UsageError(f"noise levels must fall, but {low:g} comes after {high:g}")
    return values
