"""Samplers and schedules without torch: x may be a float, or anything with + - * /."""

from .catalog import AUTOMATIC, SAMPLERS, Sampler, resolve, resolve_schedule
from .protocols import Denoise, Noise, Solver
from .schedules import SCHEDULES, Schedule
from .training import TrainingTable

__all__ = [
    "AUTOMATIC",
    "SAMPLERS",
    "SCHEDULES",
    "Denoise",
    "Noise",
    "Sampler",
    "Schedule",
    "Solver",
    "TrainingTable",
    "resolve",
    "resolve_schedule",
]
