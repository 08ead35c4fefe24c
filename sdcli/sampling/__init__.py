"""Samplers and schedules without torch: x may be a float, or anything with + - * /."""

from .catalog import GROUPS, SAMPLERS
from .diffusers_rows import SHELF
from .names import resolve, split_name
from .noise_tables import TrainingTable
from .protocols import Denoise, GuidedDenoise, Noise, Solver
from .sampler import AUTOMATIC, Sampler
from .schedules import SCHEDULES, Schedule, resolve_schedule

__all__ = [
    "AUTOMATIC",
    "GROUPS",
    "SAMPLERS",
    "SCHEDULES",
    "SHELF",
    "Denoise",
    "GuidedDenoise",
    "Noise",
    "Sampler",
    "Schedule",
    "Solver",
    "TrainingTable",
    "resolve",
    "resolve_schedule",
    "split_name",
]
