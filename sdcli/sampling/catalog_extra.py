"""The rows of samplers that A1111 lacks and users of other programs ask for by these names."""

from __future__ import annotations

from sdcli.sampling.schedules.fixed_grids import TCD_TIMESTEPS
from sdcli.sampling.solvers.ancestral import euler_ancestral
from sdcli.sampling.solvers.cfg_pp import dpmpp_2m_cfg_pp, euler_ancestral_cfg_pp, euler_cfg_pp
from sdcli.sampling.solvers.consistency import tcd
from sdcli.sampling.solvers.multistep import ipndm, lms
from sdcli.sampling.solvers.ode import heun, heun_plus_plus
from sdcli.sampling.solvers.sa_solver import sa_solver
from sdcli.sampling.solvers.sde import dpmpp_2m_sde
from sdcli.sampling.solvers.sde_variants import er_sde, euler_maruyama, predictor_corrector

from .sampler import Sampler

OTHERS: tuple[Sampler, ...] = (
    Sampler(
        "Euler CFG++",
        euler_cfg_pp,
        "Uniform",
        order=1,
        unguided=True,
        fixed={"eta": 0.0, "s_noise": 1.0},
        advice="nearer to the model, at --cfg 0.5 to 2",
        aliases=("euler_cfg_pp",),
    ),
    Sampler(
        "Euler a CFG++",
        euler_ancestral_cfg_pp,
        "Uniform",
        order=1,
        stochastic=True,
        unguided=True,
        advice="the same with noise at each step",
        aliases=("euler_ancestral_cfg_pp", "euler_a_cfg_pp"),
    ),
    Sampler(
        "DPM++ 2M CFG++",
        dpmpp_2m_cfg_pp,
        "Karras",
        order=2,
        unguided=True,
        advice="DPM++ 2M at --cfg 0.5 to 2",
        aliases=("dpmpp_2m_cfg_pp",),
    ),
    Sampler(
        "DDPM",
        euler_ancestral,
        "Uniform",
        order=1,
        stochastic=True,
        fixed={"eta": 1.0, "s_noise": 1.0},
        advice="Euler a, which it led to; wants many steps",
    ),
    Sampler(
        "DEIS",
        lms,
        "Uniform",
        order=3,
        fixed={"order": 3, "believe_last": False},
        advice="multistep over three slopes; 30 steps",
    ),
    Sampler(
        "IPNDM",
        ipndm,
        "Uniform",
        order=2,
        advice="multistep, weights for even steps; 50 steps",
    ),
    Sampler(
        "IPNDM V",
        lms,
        "Uniform",
        order=4,
        fixed={"order": 4, "believe_last": True},
        advice="the same with weights for uneven ones",
    ),
    Sampler(
        "HeunPP2",
        heun_plus_plus,
        "Uniform",
        order=1,
        evaluations=3,
        advice="looks two steps ahead",
    ),
    Sampler(
        "Res Multistep",
        dpmpp_2m_sde,
        "Karras",
        order=2,
        fixed={"heun": True, "eta": 0.0, "s_noise": 1.0},
        advice="as good as DPM++ 2M, its kin",
    ),
    Sampler(
        "ER SDE",
        er_sde,
        "Karras",
        order=0,
        stochastic=True,
        advice="less noise where it matters least",
    ),
    Sampler(
        "TCD",
        tcd,
        "own",
        order=1,
        stochastic=True,
        grid=TCD_TIMESTEPS,
        timed=True,
        advice="for trajectory consistency models: 4 to 8 steps, --cfg 1",
    ),
    Sampler(
        "SA-Solver",
        sa_solver,
        "Karras",
        order=4,
        stochastic=True,
        advice="stochastic Adams: noise in mid-way alone",
        aliases=("sasolver",),
    ),
    Sampler(
        "Score SDE VE",
        predictor_corrector,
        "Exponential",
        order=0,
        evaluations=2,
        stochastic=True,
        advice="the first of its kind; wants 200 steps",
    ),
    Sampler(
        "Score SDE VP",
        euler_maruyama,
        "Uniform",
        order=0,
        stochastic=True,
        advice="Euler on the noisy equation; wants 200 steps",
    ),
    Sampler(
        "Stochastic Karras VE",
        heun,
        "Karras",
        order=0,
        evaluations=2,
        stochastic=True,
        fixed={"s_churn": 80.0, "s_tmin": 0.05, "s_tmax": 50.0, "s_noise": 1.007},
        advice="Heun with the churn of its paper",
    ),
)
