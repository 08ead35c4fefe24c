"""The σ's that belong to one sampler alone, where no schedule can be chosen."""

from __future__ import annotations

import math

from sdcli.sampling.noise_tables import TrainingTable, linspace32

from . import Schedule
from .spacings import Sigmas, exponential


def ddim_timesteps(n: int, *, table: TrainingTable) -> Sigmas:
    """Return every (T//n)-th training timestep from 1 up, as Stable Diffusion 1's DDIM took them.

    Where n does not divide T there are more than n; and the last σ is that of timestep 1, not 0.
    """
    count = len(table.sigmas)
    timesteps = [min(t + 1, count - 1) for t in range(0, count, max(count // n, 1))]
    return tuple(table.sigmas[t] for t in reversed(timesteps))


def even_times(n: int, *, table: TrainingTable) -> Sigmas:
    """Take n even steps of continuous time from 1 to 1/T.

    log ᾱ is linear between training timesteps.
    """
    return even_times_from(1.0, n, table=table)


def even_times_from(start: float, n: int, *, table: TrainingTable) -> Sigmas:
    """Return the same from another time."""
    count = len(table.sigmas)
    sigmas = []
    for i in range(n + 1):
        time = start + (1 / count - start) * i / n
        place = min(max(time * count - 1, 0.0), count - 1.0)
        low = min(int(place), count - 2)
        share = place - low
        log_alpha = (1 - share) * _log_alpha(table, low) + share * _log_alpha(table, low + 1)
        sigmas.append(math.sqrt(math.expm1(-log_alpha)))
    return tuple(sigmas)


def _log_alpha(table: TrainingTable, t: int) -> float:
    """Return log ᾱ of a training timestep."""
    return -math.log1p(table.sigmas[t] ** 2)


def log_even(n: int, *, table: TrainingTable, sigma_min: float, sigma_max: float) -> Sigmas:
    """Take n even steps in log σ, with no jump to 0 at the end."""
    return exponential(n + 1, table=table, sigma_min=sigma_min, sigma_max=sigma_max)[:-1]


DISTILLED = 50  # timesteps of the teacher


def lcm_timesteps(n: int, *, table: TrainingTable) -> Sigmas:
    """Take n of the 50 timesteps that latent consistency models were distilled on, and 0."""
    stride = len(table.sigmas) // DISTILLED
    learned = table.every(stride)
    places = linspace32(len(learned.sigmas) - 1, 0, n)
    return (*(learned.sigma(place) for place in places), 0.0)


def tcd_timesteps(n: int, *, table: TrainingTable) -> Sigmas:
    """Take n of the same 50, even from the greatest down, whole while there are enough; and 0."""
    learned = table.every(len(table.sigmas) // DISTILLED)
    places = (i * DISTILLED / n for i in range(n))
    if n <= DISTILLED:
        places = (math.floor(place) for place in places)
    return (*(learned.sigma(DISTILLED - 1 - place) for place in places), 0.0)


DDIM_TIMESTEPS = Schedule("DDIM timesteps", ddim_timesteps, "every so many training timesteps")
EVEN_TIMES = Schedule("Even times", even_times, "even in continuous time")
LOG_EVEN = Schedule("Even in log σ", log_even, "even in log σ, ending above 0")
LCM_TIMESTEPS = Schedule("LCM timesteps", lcm_timesteps, "of those that LCM was distilled on")
TCD_TIMESTEPS = Schedule("TCD timesteps", tcd_timesteps, "as the authors of TCD space them")
