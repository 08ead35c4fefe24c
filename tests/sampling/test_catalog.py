"""The table of samplers: every name finds its row, no two names collide, wrong ones are told."""

from __future__ import annotations

import pytest

from sdcli.errors import UsageError
from sdcli.sampling import AUTOMATIC, SAMPLERS, SCHEDULES, SHELF, Sampler, resolve, resolve_schedule
from sdcli.sampling.schedules import name_key

NAMES = [(name, row) for row in SAMPLERS for name in (row.name, *row.aliases)]


@pytest.mark.parametrize("row", SAMPLERS, ids=lambda row: row.name)
def test_every_name_resolves_whatever_its_case_and_spaces(
    row: Sampler, subtests: pytest.Subtests
) -> None:
    for name in (row.name, *row.aliases):
        for typed in (name, name.upper(), name.lower(), f" {name.replace(' ', '')} "):
            with subtests.test(typed):
                assert resolve(typed).name == row.name


def test_no_two_names_are_alike() -> None:
    keys = ["".join(name.lower().replace("_", " ").split()) for name, _ in NAMES]
    assert len(set(keys)) == len(keys)


def test_a_name_that_both_shelves_know_is_ours() -> None:
    keys = {name_key(name) for name, _ in NAMES}
    for row in SHELF:
        prefixed, scheduler, short = row.name, *row.aliases
        assert resolve(prefixed) == resolve(scheduler) == row
        assert resolve(short).scheduler == ("" if name_key(short) in keys else row.scheduler)


def test_a_scheduler_of_diffusers_is_not_run_without_the_engine() -> None:
    row = resolve("diffusers:ddim")
    with pytest.raises(UsageError, match="only the engine"):
        row.sigmas(5)
    with pytest.raises(UsageError, match="only the engine"):
        row.solve(lambda x, sigma: x, 1.0, (2.0, 0.0), lambda sigma, sigma_next: 0.0)


def test_no_two_schedulers_of_diffusers_share_a_name() -> None:
    names = [name_key(name) for row in SHELF for name in (row.name, *row.aliases)]
    assert len(set(names)) == len(names)


# As ComfyUI 0.36 and stable-diffusion.cpp spell them, where they have what we have.
FOREIGN = {
    "Euler": ["euler"],
    "Euler a": ["euler_ancestral", "euler_a"],
    "Euler CFG++": ["euler_cfg_pp"],
    "Euler a CFG++": ["euler_ancestral_cfg_pp", "euler_a_cfg_pp"],
    "Heun": ["heun"],
    "HeunPP2": ["heunpp2"],
    "DPM2": ["dpm_2", "dpm2"],
    "DPM2 a": ["dpm_2_ancestral"],
    "LMS": ["lms"],
    "DPM fast": ["dpm_fast"],
    "DPM adaptive": ["dpm_adaptive"],
    "DPM++ 2S a": ["dpmpp_2s_ancestral", "dpm++2s_a"],
    "DPM++ SDE": ["dpmpp_sde", "dpmpp_sde_gpu"],
    "DPM++ 2M": ["dpmpp_2m", "dpm++2m"],
    "DPM++ 2M CFG++": ["dpmpp_2m_cfg_pp"],
    "DPM++ 2M SDE": ["dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpm++2m_sde"],
    "DPM++ 2M SDE Heun": ["dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu"],
    "DPM++ 3M SDE": ["dpmpp_3m_sde", "dpmpp_3m_sde_gpu"],
    "DDPM": ["ddpm"],
    "LCM": ["lcm"],
    "IPNDM": ["ipndm"],
    "IPNDM V": ["ipndm_v"],
    "DEIS": ["deis"],
    "Res Multistep": ["res_multistep"],
    "ER SDE": ["er_sde"],
    "SA-Solver": ["sa_solver"],
    "DDIM": ["ddim"],
    "UniPC": ["uni_pc"],
    "TCD": ["tcd"],
}
FOREIGN_SCHEDULES = {
    "Normal": ["normal"],
    "Karras": ["karras"],
    "Exponential": ["exponential"],
    "SGM Uniform": ["sgm_uniform"],
    "Simple": ["simple"],
    "DDIM": ["ddim_uniform"],
    "Beta": ["beta"],
    "Linear Quadratic": ["linear_quadratic"],
    "KL Optimal": ["kl_optimal"],
    "Uniform": ["discrete"],
    "Align Your Steps": ["ays"],
    "Align Your Steps GITS": ["align_your_steps_GITS"],
    "Align Your Steps 32": ["align_your_steps_32"],
    "Turbo": ["turbo"],
}


def test_other_programs_names_are_understood(subtests: pytest.Subtests) -> None:
    for ours, theirs in FOREIGN.items():
        with subtests.test(ours):
            assert {resolve(name).name for name in theirs} == {ours}


def test_other_programs_schedules_are_understood(subtests: pytest.Subtests) -> None:
    for ours, theirs in FOREIGN_SCHEDULES.items():
        with subtests.test(ours):
            assert {resolve_schedule(name).name for name in theirs} == {ours}


FREE = [row for row in SAMPLERS if row.grid is None]


@pytest.mark.parametrize("row", FREE, ids=lambda row: row.name)
def test_old_combined_names_set_the_schedule(row: Sampler, subtests: pytest.Subtests) -> None:
    for schedule in SCHEDULES:
        with subtests.test(schedule.name):
            found = resolve(f"{row.name} {schedule.name}")
            assert found.name == row.name
            assert found.resolved_schedule.name == schedule.name
            assert found == resolve(row.name, schedule.name)


def test_automatic_is_the_samplers_own_schedule() -> None:
    assert resolve("DPM++ 2M").resolved_schedule.name == "Karras"
    assert resolve("Euler", "automatic").resolved_schedule.name == "Uniform"
    assert resolve("DPM++ 2M Automatic").schedule == AUTOMATIC


def test_naming_its_own_schedule_is_automatic() -> None:
    assert resolve("DPM++ 2M Karras") == resolve("DPM++ 2M")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        pytest.param("DPM++ 2M Karas", "DPM++ 2M Karras", id="schedule misspelt"),
        pytest.param("Eular a", "Euler a", id="sampler misspelt"),
        pytest.param("huen", "Heun", id="letters swapped"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(typed)
    assert repr(typed) in caught.value.message
    assert repr(meant) in caught.value.hint


def test_a_name_near_to_none_is_sent_to_the_list() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("zzzzzzzzzzzz")
    assert "sdcli samplers" in caught.value.hint


def test_two_schedules_at_once_contradict() -> None:
    with pytest.raises(UsageError, match="already names the schedule Karras"):
        resolve("Euler Karras", "Exponential")


def test_an_unknown_schedule_is_told_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_schedule("karas")
    assert "'Karras'" in caught.value.hint


def test_options_are_read_off_the_solver() -> None:
    assert set(resolve("Euler").options) == {"s_churn", "s_tmin", "s_tmax", "s_noise"}
    assert set(resolve("Euler a").options) == {"eta", "s_noise"}
    assert resolve("DPM++ 2M").options == {}


def test_every_row_is_complete(subtests: pytest.Subtests) -> None:
    for row in SAMPLERS:
        with subtests.test(row.name):
            assert row.advice
            assert row.grid or resolve_schedule(row.default_schedule)
            assert row.order in {0, 1, 2, 3, 4}


@pytest.mark.parametrize("name", ["DDIM", "PLMS", "UniPC", "DPM fast", "DPM adaptive", "LCM"])
@pytest.mark.parametrize("combined", [True, False])
def test_a_schedule_that_would_do_nothing_is_refused(name: str, combined: bool) -> None:
    with pytest.raises(UsageError, match="its own noise levels"):
        resolve(f"{name} Karras") if combined else resolve(name, "Karras")
