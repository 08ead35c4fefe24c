"""The journal of a batch: what it knows after any end, and what is made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

from sdcli.errors import OutputError, UsageError
from sdcli.runs.journal import NAME, Journal

ROWS = "a --seed 1\nb --seed 2 --steps 3\nc --seed 3\nd --seed 4 --steps 3\n"


@pytest.fixture(autouse=True)
def _file() -> None:
    Path("p.txt").write_text(ROWS)


def seeds(engine: FakeEngine) -> list[int]:
    found = [request.seed for request in engine.made]
    engine.made.clear()
    return found


def test_what_is_finished_is_not_made_again(sdcli: Any, engine: FakeEngine) -> None:
    engine.fails = {2}
    assert sdcli("batch", "p.txt", "-o", "out/").code == 1
    engine.fails.clear()
    seeds(engine)
    result = sdcli("batch", "p.txt", "-o", "out/", "--resume")
    assert (result.code, seeds(engine)) == (0, [2])
    assert "3 of 4 pictures are already finished" in result.err
    result = sdcli("batch", "p.txt", "-o", "out/", "--resume")
    assert (result.code, result.lines, seeds(engine)) == (0, [], [])
    assert len(list(Path("out").glob("*.png"))) == 4


def test_without_resume_all_is_made(sdcli: Any, engine: FakeEngine) -> None:
    sdcli("batch", "p.txt", "-o", "out/")
    sdcli("batch", "p.txt", "-o", "out/")
    assert len(seeds(engine)) == 8


def test_a_picture_that_was_changed_or_removed_is_made_again(
    sdcli: Any, engine: FakeEngine
) -> None:
    first, second, *_ = sdcli("batch", "p.txt", "-o", "out/").lines
    seeds(engine)
    Path(first).unlink()
    Path(second).write_bytes(b"cut short")
    assert sdcli("batch", "p.txt", "-o", "out/", "--resume").code == 0
    assert sorted(seeds(engine)) == [1, 2]


def test_rows_may_move_and_come(sdcli: Any, engine: FakeEngine) -> None:
    sdcli("batch", "p.txt", "-o", "out/")
    seeds(engine)
    Path("p.txt").write_text("e --seed 9\n# note\n" + "\n".join(reversed(ROWS.splitlines())))
    sdcli("batch", "p.txt", "-o", "out/", "--resume")
    assert seeds(engine) == [9]


def test_a_row_that_was_changed_is_made(sdcli: Any, engine: FakeEngine) -> None:
    sdcli("batch", "p.txt", "-o", "out/")
    seeds(engine)
    Path("p.txt").write_text(ROWS.replace("seed 3", "seed 3 --cfg 5"))
    sdcli("batch", "p.txt", "-o", "out/", "--resume")
    assert seeds(engine) == [3]


def test_two_rows_alike_are_two_pictures(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text("a --seed 1\n" * 3)
    paths = sdcli("batch", "p.txt", "-o", "out/").lines
    seeds(engine)
    Path(paths[1]).unlink()
    sdcli("batch", "p.txt", "-o", "out/", "--resume")
    assert seeds(engine) == [1]


def test_seeds_that_were_drawn_are_not_drawn_again(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text("a {red|blue} fox --n_iter 2\nb --seed 5,-1\n")
    paths = sdcli("batch", "p.txt", "-o", "out/").lines
    drawn = seeds(engine)
    assert sdcli("batch", "p.txt", "-o", "out/", "--resume").lines == []
    Path(paths[1]).unlink()
    sdcli("batch", "p.txt", "-o", "out/", "--resume")
    assert len(seeds(engine)) == 1
    assert len(set(drawn)) == 4


def test_shards_are_all_rows_and_none_twice(sdcli: Any, engine: FakeEngine) -> None:
    Path("p.txt").write_text(ROWS + "e --seed 5 --n_iter 2\n")
    parts = []
    for part in ("1/3", "2/3", "3/3"):
        assert sdcli("batch", "p.txt", "--shard", part, "-o", "out/").code == 0
        parts.append(sorted(seeds(engine)))
    assert parts == [[1, 4], [2, 5, 6], [3]]
    assert sdcli("batch", "p.txt", "--resume", "-o", "out/").lines == []


def test_a_shard_is_resumed_alone(sdcli: Any, engine: FakeEngine) -> None:
    engine.fails = {1}
    sdcli("batch", "p.txt", "--shard", "1/2", "-o", "out/")
    engine.fails.clear()
    seeds(engine)
    result = sdcli("batch", "p.txt", "--shard", "1/2", "-o", "out/", "--resume")
    assert "1 of 2 pictures are already finished" in result.err
    assert seeds(engine) == [1]


def test_events_count_what_was_left_out(sdcli: Any, engine: FakeEngine) -> None:
    sdcli("batch", "p.txt", "-o", "out/")
    result = sdcli("batch", "p.txt", "-o", "out/", "--resume", "--json")
    [end] = [json.loads(line) for line in result.lines]
    assert (end["event"], end["made"], end["skipped"]) == ("end", 0, 4)


def test_a_plan_is_of_what_is_left(sdcli: Any, engine: FakeEngine) -> None:
    sdcli("batch", "p.txt", "--shard", "1/2", "-o", "out/")
    assert len(sdcli("batch", "p.txt", "--plan", "--resume", "-o", "out/").lines) == 1 + 2


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_odd_shards_are_refused(sdcli: Any, engine: FakeEngine, shard: str) -> None:
    result = sdcli("batch", "p.txt", f"--shard={shard}")
    assert result.code == 2
    assert "--shard" in result.err


@given(st.binary(), st.integers(0, 300))
def test_whatever_a_crash_left_whole_lines_are_read(
    tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    (folder / "1.png").write_bytes(b"one")
    Journal.of(folder).begin("first", folder / "1.png", b"one")
    Journal.of(folder).begin("second", folder / "2.png", b"two")
    path = folder / NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: max(len(whole) - cut, len(whole) // 2)] + rubbish)
    Journal.of(folder).begin("third", folder / "1.png", b"one")
    found = Journal.of(folder)
    assert found.finished("first") == folder / "1.png"
    assert found.finished("second") is None  # it never appeared
    assert found.finished("third") == folder / "1.png"
    assert found.finished("other") is None


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(UsageError, match="cannot read"):
        Journal.of(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        Journal(tmp_path / NAME).begin("key", tmp_path / "1.png", b"")
