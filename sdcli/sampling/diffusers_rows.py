"""The research shelf: diffusers' schedulers by name, which engine/diffusers_solver.py runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from sdcli.errors import UsageError

from .protocols import Denoise, Noise, Sigmas, X
from .sampler import Sampler
from .schedules import Schedule

PREFIX = "diffusers:"


CHURN = {"s_churn": 0.0, "s_tmin": 0.0, "s_tmax": math.inf, "s_noise": 1.0}


def _elsewhere(denoise: Denoise[X], x: X, sigmas: Sigmas, noise: Noise[X], **_: Any) -> Iterator[X]:
    raise UsageError("only the engine can run a diffusers scheduler")


def _own(n: int, **_: Any) -> tuple[float, ...]:
    raise UsageError("only the engine knows the noise levels of a diffusers scheduler")


OWN = Schedule("diffusers", _own, "the scheduler's own, from the model's configuration")


def _row(short: str, scheduler: str, advice: str, **fields: Any) -> Sampler:
    return Sampler(
        PREFIX + short,
        _elsewhere,
        "own",
        order=0,
        advice=advice,
        scheduler=scheduler,
        grid=OWN,
        ends_only=True,
        aliases=(scheduler, short),
        **fields,
    )


SHELF: tuple[Sampler, ...] = (
    _row("ddim", "DDIMScheduler", "DDIM down to timestep 0", outside_options={"eta": 0.0}),
    _row("ddpm", "DDPMScheduler", "ancestral, in timesteps", stochastic=True),
    _row("deis", "DEISMultistepScheduler", "exponential multistep of order 2"),
    _row(
        "singlestep_dpm_solver",
        "DPMSolverSinglestepScheduler",
        "DPM-Solver++ that begins anew every other step",
    ),
    _row("multistep_dpm_solver", "DPMSolverMultistepScheduler", "DPM-Solver++ of order 2"),
    _row("heun", "HeunDiscreteScheduler", "Heun on whole timesteps", evaluations=2),
    _row("dpm_discrete", "KDPM2DiscreteScheduler", "DPM2 without the discarded σ", evaluations=2),
    _row(
        "dpm_discrete_ancestral",
        "KDPM2AncestralDiscreteScheduler",
        "DPM2 a without the discarded σ",
        evaluations=2,
        stochastic=True,
    ),
    _row(
        "dpm_solver_sde",
        "DPMSolverSDEScheduler",
        "DPM++ SDE on whole timesteps; needs torchsde",
        evaluations=2,
        stochastic=True,
        brownian=True,
    ),
    _row("lms_discrete", "LMSDiscreteScheduler", "LMS; needs scipy"),
    _row("pndm", "PNDMScheduler", "PLMS, with one call more at the start"),
    _row("ipndm", "IPNDMScheduler", "multistep of order 4 in angles"),
    _row("euler", "EulerDiscreteScheduler", "Euler on whole timesteps", outside_options=CHURN),
    _row(
        "euler_ancestral",
        "EulerAncestralDiscreteScheduler",
        "Euler a on whole timesteps",
        stochastic=True,
    ),
    _row("unipc", "UniPCMultistepScheduler", "UniPC of order 2, ending at no noise"),
    _row("sasolver", "SASolverScheduler", "stochastic Adams, noise in the middle", stochastic=True),
    _row(
        "tcd",
        "TCDScheduler",
        "for models distilled for trajectory consistency",
        outside_options={"eta": 0.3},
        stochastic=True,
    ),
    _row("lcm", "LCMScheduler", "for consistency models", stochastic=True),
    _row("edm_euler", "EDMEulerScheduler", "Euler on Karras's σ's, as EDM spells it"),
    _row("edm_dpm_solver", "EDMDPMSolverMultistepScheduler", "DPM-Solver++ on Karras's σ's"),
)
