"""The table of samplers; `sdcli samplers`, completion, README and the tests are read off it.

A1111's own samplers come first, in A1111's order; then those that other programs have. The
schedulers of diffusers are on a shelf of their own.
"""

from __future__ import annotations

from sdcli.sampling.schedules.fixed_grids import DDIM_TIMESTEPS, EVEN_TIMES, LCM_TIMESTEPS, LOG_EVEN
from sdcli.sampling.solvers.adaptive import dpm_adaptive, dpm_fast
from sdcli.sampling.solvers.ancestral import dpm2_ancestral, dpmpp_2s_ancestral, euler_ancestral
from sdcli.sampling.solvers.cfg_pp import euler_cfg_pp
from sdcli.sampling.solvers.consistency import lcm
from sdcli.sampling.solvers.multistep import lms
from sdcli.sampling.solvers.ode import dpm2, dpmpp_2m, euler, heun
from sdcli.sampling.solvers.restart import restart
from sdcli.sampling.solvers.sde import dpmpp_2m_sde, dpmpp_3m_sde, dpmpp_sde
from sdcli.sampling.solvers.timestep import ddim, plms
from sdcli.sampling.solvers.unipc import unipc

from .catalog_extra import OTHERS
from .diffusers_rows import SHELF
from .sampler import Sampler

A1111: tuple[Sampler, ...] = (
    Sampler(
        "DPM++ 2M",
        dpmpp_2m,
        "Karras",
        order=2,
        advice="good in few steps; the default",
        aliases=("k_dpmpp_2m", "dpmpp_2m"),
    ),
    Sampler(
        "DPM++ SDE",
        dpmpp_sde,
        "Karras",
        order=2,
        evaluations=2,
        stochastic=True,
        brownian=True,
        advice="rich detail in few steps",
        aliases=("k_dpmpp_sde", "dpmpp_sde", "dpmpp_sde_gpu"),
    ),
    Sampler(
        "DPM++ 2M SDE",
        dpmpp_2m_sde,
        "Exponential",
        order=2,
        stochastic=True,
        brownian=True,
        fixed={"heun": False},
        advice="DPM++ 2M with noise on the way",
        aliases=("k_dpmpp_2m_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
    ),
    Sampler(
        "DPM++ 2M SDE Heun",
        dpmpp_2m_sde,
        "Exponential",
        order=2,
        stochastic=True,
        brownian=True,
        fixed={"heun": True},
        advice="the same with other weights",
        aliases=("k_dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu"),
    ),
    Sampler(
        "DPM++ 2S a",
        dpmpp_2s_ancestral,
        "Karras",
        order=2,
        evaluations=2,
        stochastic=True,
        advice="soft and varied",
        aliases=("k_dpmpp_2s_a", "dpmpp_2s_ancestral", "dpmpp_2s_a"),
    ),
    Sampler(
        "DPM++ 3M SDE",
        dpmpp_3m_sde,
        "Exponential",
        order=2,
        stochastic=True,
        brownian=True,
        discards_penultimate=True,
        advice="wants 30 steps or more",
        aliases=("k_dpmpp_3m_sde", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
    ),
    Sampler(
        "Euler a",
        euler_ancestral,
        "Uniform",
        order=1,
        stochastic=True,
        advice="soft and varied, at little cost",
        aliases=("k_euler_a", "k_euler_ancestral", "euler_ancestral"),
    ),
    Sampler(
        "Euler",
        euler,
        "Uniform",
        order=1,
        advice="the plainest; good in few steps",
        aliases=("k_euler",),
    ),
    Sampler(
        "LMS",
        lms,
        "Uniform",
        order=4,
        fixed={"order": 4, "believe_last": False},
        advice="overshoots where guidance is strong: 40 steps",
        aliases=("k_lms",),
    ),
    Sampler(
        "Heun",
        heun,
        "Uniform",
        order=2,
        evaluations=2,
        advice="Euler with a correction; 15 steps or more",
        aliases=("k_heun",),
    ),
    Sampler(
        "DPM2",
        dpm2,
        "Karras",
        order=2,
        evaluations=2,
        discards_penultimate=True,
        advice="takes the slope halfway; 15 steps or more",
        aliases=("k_dpm_2",),
    ),
    Sampler(
        "DPM2 a",
        dpm2_ancestral,
        "Karras",
        order=2,
        evaluations=2,
        stochastic=True,
        discards_penultimate=True,
        advice="DPM2 with noise at each step",
        aliases=("k_dpm_2_a", "dpm_2_ancestral"),
    ),
    Sampler(
        "DPM fast",
        dpm_fast,
        "own",
        order=2,
        stochastic=True,
        grid=LOG_EVEN,
        ends_only=True,
        advice="rough below 20 steps",
        aliases=("k_dpm_fast",),
    ),
    Sampler(
        "DPM adaptive",
        dpm_adaptive,
        "own",
        order=3,
        stochastic=True,
        grid=LOG_EVEN,
        ends_only=True,
        adaptive=True,
        advice="chooses its steps by --rtol, not --steps",
        aliases=("k_dpm_ad",),
    ),
    Sampler(
        "Restart",
        restart,
        "Karras",
        ends_only=True,
        order=2,
        evaluations=2,
        stochastic=True,
        advice="Heun that goes back, from 20 steps on",
    ),
    Sampler(
        "DDIM",
        ddim,
        "own",
        order=1,
        grid=DDIM_TIMESTEPS,
        unit_start=True,
        least_steps=2,
        advice="the classic; the best in 10 steps",
    ),
    Sampler(
        "DDIM CFG++",
        euler_cfg_pp,
        "own",
        order=1,
        grid=DDIM_TIMESTEPS,
        unit_start=True,
        least_steps=2,
        unguided=True,
        guidance_divisor=12.5,
        advice="nearer to the model, at --cfg / 12.5",
        aliases=("ddim_cfg_pp",),
    ),
    Sampler(
        "PLMS",
        plms,
        "own",
        order=2,
        grid=DDIM_TIMESTEPS,
        unit_start=True,
        least_steps=2,
        advice="overshoots where guidance is strong: 50 steps",
    ),
    Sampler(
        "UniPC",
        unipc,
        "own",
        order=2,
        grid=EVEN_TIMES,
        unit_start=True,
        advice="good in few steps",
    ),
    Sampler(
        "LCM",
        lcm,
        "own",
        order=0,
        stochastic=True,
        grid=LCM_TIMESTEPS,
        consistency=True,
        advice="for consistency models: 4 to 8 steps, --cfg 1 to 2",
        aliases=("k_lcm",),
    ),
)

SAMPLERS = (*A1111, *OTHERS)
GROUPS = {
    "A1111's samplers": A1111,
    "Samplers of other programs": OTHERS,
    "Schedulers of diffusers": SHELF,
}
