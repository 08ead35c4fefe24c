"""The σ's that others found by optimization for a family of models, and how they stretch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sdcli.sampling.noise_tables import TrainingTable, f32

Sigmas = tuple[float, ...]
Anchors = Mapping[str, Sigmas]  # by the lineage of a training table

# Sabour et al. 2024 for 10 steps, and the finer table of the same work for 31.
ALIGNED: Anchors = {
    "sd1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
}
ALIGNED_32: Anchors = {
    "sd1": (
        14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065,
        3.5195609, 3.13490466, 2.79228788, 2.48773628, 2.21663865, 1.97508351, 1.7793172,
        1.61475335, 1.46540953, 1.314849, 1.16642497, 1.03475547, 0.91573744, 0.80748169,
        0.71202361, 0.621739, 0.53065202, 0.4529096, 0.37491455, 0.27461819, 0.2011529,
        0.14105873, 0.06682881, 0.03166121, 0.015,
    ),
    "sdxl": (
        14.615, 11.1491618, 8.50522127, 6.48827151, 5.43707402, 4.60398619, 3.89854704,
        3.27407457, 2.74396527, 2.29968659, 1.95448514, 1.67108715, 1.42878152, 1.23181009,
        1.06789649, 0.92579443, 0.80290886, 0.69660121, 0.60436903, 0.52852552, 0.46773344,
        0.41393379, 0.36258186, 0.31008517, 0.26518925, 0.22326461, 0.17653877, 0.13959192,
        0.10587381, 0.05519369, 0.02877334, 0.015,
    ),
}  # fmt: skip
# Chen et al. 2024, by the geometry of sampling trajectories.
GITS: Anchors = {
    "sd1": (14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.240, 0.156, 0.104, 0.094, 0.029),
    "sdxl": (14.615, 4.734, 2.567, 1.529, 0.987, 0.652, 0.418, 0.268, 0.179, 0.127, 0.029),
}


def align_your_steps(n: int, *, table: TrainingTable) -> Sigmas:
    """Interpolate in log σ the σ's that Sabour et al. 2024 optimized for 10 steps of a family."""
    return _stretched(ALIGNED, n, table)


def align_your_steps_32(n: int, *, table: TrainingTable) -> Sigmas:
    """Do the same with the table of 32 σ's, as Forge has it; it ends below the model's least σ."""
    return _stretched(ALIGNED_32, n, table)


def gits(n: int, *, table: TrainingTable) -> Sigmas:
    """Return the σ's of Chen et al. 2024, interpolated in log σ, as Forge has them."""
    return _stretched(GITS, n, table)


def _stretched(anchors: Anchors, n: int, table: TrainingTable) -> Sigmas:
    sigmas = anchors[table.lineage]
    if n == len(sigmas):
        return (*map(f32, sigmas), 0.0)
    logs = [math.log(sigma) for sigma in sigmas]
    places = (i * (len(logs) - 1) / max(n - 1, 1) for i in range(n))
    return (*(f32(math.exp(_interpolated(logs, place))) for place in places), 0.0)


def _interpolated(values: list[float], place: float) -> float:
    low = min(int(place), len(values) - 2)
    return values[low] + (values[low + 1] - values[low]) * (place - low)
