"""Owns the rows of samplers that A1111 lacks and users of other programs ask for by these names."""

from __future__ import annotations

from .ancestral import euler_ancestral
from .cfg_pp import dpmpp_2m_cfg_pp, euler_ancestral_cfg_pp, euler_cfg_pp
from .er_sde import er_sde
from .multistep import ipndm, lms
from .ode import heun_plus_plus
from .sampler import Sampler
from .sde import dpmpp_2m_sde

OTHERS: tuple[Sampler, ...] = (
    Sampler(
        "Euler CFG++",
        euler_cfg_pp,
        "Uniform",
        order=1,
        unguided=True,
        fixed={"eta": 0.0, "s_noise": 1.0},
        advice="Euler at a guidance of 0.5 to 2; keeps closer to the model",
        aliases=("euler_cfg_pp",),
    ),
    Sampler(
        "Euler a CFG++",
        euler_ancestral_cfg_pp,
        "Uniform",
        order=1,
        stochastic=True,
        unguided=True,
        advice="Euler a at a guidance of 0.5 to 2",
        aliases=("euler_ancestral_cfg_pp", "euler_a_cfg_pp"),
    ),
    Sampler(
        "DPM++ 2M CFG++",
        dpmpp_2m_cfg_pp,
        "Karras",
        order=2,
        unguided=True,
        advice="DPM++ 2M at a guidance of 0.5 to 2",
        aliases=("dpmpp_2m_cfg_pp",),
    ),
    Sampler(
        "DDPM",
        euler_ancestral,
        "Uniform",
        order=1,
        stochastic=True,
        fixed={"eta": 1.0, "s_noise": 1.0},
        advice="the first of them all, the same as Euler a; wants many steps",
    ),
    Sampler(
        "DEIS",
        lms,
        "Uniform",
        order=3,
        fixed={"order": 3, "believe_last": False},
        advice="multistep over three slopes; settles",
    ),
    Sampler(
        "IPNDM",
        ipndm,
        "Uniform",
        order=2,
        advice="multistep with weights for even steps; settles",
    ),
    Sampler(
        "IPNDM V",
        lms,
        "Uniform",
        order=4,
        fixed={"order": 4, "believe_last": True},
        advice="the same with weights for the steps as they are",
    ),
    Sampler(
        "HeunPP2",
        heun_plus_plus,
        "Uniform",
        order=1,
        evaluations=3,
        advice="looks two steps ahead, at three times the cost a step",
    ),
    Sampler(
        "Res Multistep",
        dpmpp_2m_sde,
        "Karras",
        order=2,
        fixed={"heun": True, "eta": 0.0, "s_noise": 1.0},
        advice="exponential multistep, a sibling of DPM++ 2M; settles",
    ),
    Sampler(
        "ER SDE",
        er_sde,
        "Karras",
        order=0,
        stochastic=True,
        advice="an SDE with less noise where it matters least",
    ),
)
