"""The table of samplers: every name finds its row, no two names collide, wrong ones are told."""

from __future__ import annotations

import pytest

from sdcli.errors import UsageError
from sdcli.sampling import AUTOMATIC, SAMPLERS, SCHEDULES, Sampler, resolve, resolve_schedule

NAMES = [(name, row) for row in SAMPLERS for name in (row.name, *row.aliases)]


@pytest.mark.parametrize(("name", "row"), NAMES, ids=[name for name, _ in NAMES])
@pytest.mark.parametrize("change", [str, str.upper, str.lower, lambda s: f" {s.replace(' ', '')} "])
def test_every_name_resolves_whatever_its_case_and_spaces(
    name: str, row: Sampler, change: object
) -> None:
    assert resolve(change(name)).name == row.name  # type: ignore[operator]


def test_no_two_names_are_alike() -> None:
    keys = ["".join(name.lower().replace("_", " ").split()) for name, _ in NAMES]
    assert len(set(keys)) == len(keys)


FREE = [row for row in SAMPLERS if row.grid is None]


@pytest.mark.parametrize("row", FREE, ids=lambda row: row.name)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda row: row.name)
def test_old_combined_names_set_the_schedule(row: Sampler, schedule: object) -> None:
    name = schedule.name  # type: ignore[attr-defined]
    found = resolve(f"{row.name} {name}")
    assert found.name == row.name
    assert found.resolved_schedule.name == name
    assert found == resolve(row.name, name)


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


@pytest.mark.parametrize("row", SAMPLERS, ids=lambda row: row.name)
def test_every_row_is_complete(row: Sampler) -> None:
    assert row.advice
    assert row.grid or resolve_schedule(row.default_schedule)
    assert row.order in {0, 1, 2, 3, 4}


@pytest.mark.parametrize("name", ["DDIM", "PLMS", "UniPC", "DPM fast", "DPM adaptive", "LCM"])
@pytest.mark.parametrize("combined", [True, False])
def test_a_schedule_that_would_do_nothing_is_refused(name: str, combined: bool) -> None:
    with pytest.raises(UsageError, match="noise levels of its own"):
        resolve(f"{name} Karras") if combined else resolve(name, "Karras")
