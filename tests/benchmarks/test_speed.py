"""The table of speed: what its figures are, with clocks that tell what they are told to."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from repository import ROOT
from tiny import write_tiny_model

from benchmarks.speed import card, clock, giant, peak
from benchmarks.speed.plot import Bar, plot
from benchmarks.speed.race import OURS, THEIRS, TUNED, Failed, LeftOut, Row, Sample, Work, race
from benchmarks.speed.report import Report
from benchmarks.speed.setup import Model, Setup
from benchmarks.speed.table import HEAD, LEGEND, line
from benchmarks.speed.worker import crew, racing
from sdcli import models


def always(value: float, busy: float | None = None) -> Callable[[], Sample]:
    return lambda: Sample(value, busy)


def in_vain() -> Sample:
    raise Failed("no compiler is here")


def unheard(_: str) -> None:
    """Nobody listens."""


def measured(*rows: Row | LeftOut) -> tuple[Report, list[str]]:
    heard: list[str] = []
    report = Report({"device": "cpu", "processor": "a fast one"})
    report.measure(rows, 3, heard.append)
    return report, heard


def test_columns_run_in_turn() -> None:
    """The first round warms up."""
    order: list[str] = []

    def called(name: str) -> Callable[[], Sample]:
        def run() -> Sample:
            order.append(name)
            return Sample(1.0)

        return run

    race(Row("a row", "s", {who: called(who) for who in (OURS, THEIRS)}), 2, unheard)
    assert order == [OURS, THEIRS] * 3


@pytest.mark.parametrize(
    ("unit", "ours", "theirs", "shown"),
    [
        pytest.param("s", 2.0, 3.0, 0.5, id="seconds, each of four parts"),
        pytest.param("ms", 2.0, 3.0, 500, id="milliseconds"),
        pytest.param("it/s", 2.0, 3.0, 2, id="a rate is shown the other way round"),
        pytest.param("KiB", 2048.0, 3072.0, 0.5, id="bytes"),
    ],
)
def test_above_one_we_lead(unit: str, ours: float, theirs: float, shown: float) -> None:
    """Whatever the unit is."""
    columns = {OURS: always(ours, 1.0), THEIRS: always(theirs, 4.0), TUNED: always(ours / 2)}
    result = race(Row("a row", unit, columns, parts=4), 3, unheard)
    assert result.ratio() == 1.5
    assert result.ratio(TUNED) == 0.5
    assert result.busy_ratio() == 4
    assert result.median(OURS) == shown


def test_pairs_outlast_a_machine_that_becomes_busy() -> None:
    """Each of ours is held against theirs of the same round."""
    rounds = iter([1.0, 1.5, 10.0, 15.0, 100.0, 150.0])

    def next_one() -> Sample:
        return Sample(next(rounds))

    row = Row("a row", "s", {OURS: next_one, THEIRS: next_one}, warm=False)
    assert race(row, 3, unheard).ratio() == 1.5


def test_the_share_of_the_peak() -> None:
    """Four parts of 100 in two seconds are 200 a second, of 400."""
    columns = {OURS: always(2.0), THEIRS: always(4.0)}
    result = race(Row("a row", "ms", columns, parts=4, work=Work(100, 400)), 1, unheard)
    assert result.share() == 0.5
    assert result.share(THEIRS) == 0.25


def test_a_tuned_column_that_fails_is_told_and_left_out() -> None:
    report, heard = measured(
        Row("a row", "s", {OURS: always(1.0), THEIRS: always(2.0), TUNED: in_vain})
    )
    assert heard[0] == "a row: no tuned: no compiler is here"
    assert report.results[0].ratio(TUNED) is None


def test_a_row_that_cannot_be_is_told_and_the_next_one_goes_on() -> None:
    able = {OURS: always(1.0), THEIRS: always(2.0)}
    report, heard = measured(
        Row("a row", "s", {**able, OURS: in_vain}),
        LeftOut("another", "it is not for this machine"),
        Row("the last", "s", able),
    )
    assert heard[:2] == [
        "a row: left out: sdcli: no compiler is here",
        "another: left out: it is not for this machine",
    ]
    assert [result.row.name for result in report.results] == ["the last"]


def test_the_table_fits_in_120_columns() -> None:
    columns = {who: always(0.1234, 1.0) for who in (OURS, THEIRS, TUNED)}
    name = "SD 1, 256², bf16, compiled: step / fp32"
    told = line(race(Row(name, "img/s", columns, work=Work(1, 1)), 3, unheard))
    assert max(map(len, (told, HEAD, *LEGEND.splitlines()))) <= 120


def test_json_is_what_was_measured(tmp_path: Path) -> None:
    columns = {OURS: always(2.0, 1.0), THEIRS: always(3.0, 2.0)}
    report, _ = measured(
        Row("a step", "ms", columns, work=Work(50, 100)), LeftOut("another", "not here")
    )
    report.write_json(tmp_path / "speed.json")
    told = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert told["machine"]["processor"] == "a fast one"
    assert told["left_out"] == [{"name": "another", "reason": "not here"}]
    [row] = told["rows"]
    assert (row["name"], row["unit"], row["ratio"], row["cpu_ratio"]) == ("a step", "ms", 1.5, 2)
    assert row["tuned_ratio"] is None
    assert row["percent_of_peak"] == 25
    assert row["columns"][OURS]["median"] == row["columns"][OURS]["max"] == 2000


def test_the_plot_grows_with_its_rows(tmp_path: Path) -> None:
    def size(count: int) -> tuple[int, int]:
        with Image.open(io.BytesIO(plot([Bar("a step", 1.5, 0.8)] * count, "cpu"))) as image:
            assert image.format == "PNG"
            return image.size

    few, many = size(3), size(30)
    assert few[0] == many[0]
    assert 100 < few[1] < many[1] < 1200
    report, _ = measured(Row("a step", "ms", {OURS: always(1.0), THEIRS: always(2.0)}))
    report.write_plot(tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_of_nothing_is_one() -> None:
    """Where every row was left out."""
    assert plot([], "cpu").startswith(b"\x89PNG")


class Card:
    """torch.cuda with a clock that stands at 1, then 3.5 seconds."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def synchronize(self) -> None:
        self.told.append("wait")

    def Event(self, *, enable_timing: bool) -> Any:
        assert enable_timing
        return Event(self)


class Event:
    """One that tells milliseconds."""

    def __init__(self, of: Card) -> None:
        self._card = of

    def record(self) -> None:
        self._card.told.append("record")

    def elapsed_time(self, end: Event) -> float:
        assert end is not self
        return 2500.0


def test_events_stand_around_the_work_and_are_waited_for() -> None:
    fake = Card()
    sample = clock.by_events(lambda: fake.told.append("work"), fake)
    assert sample.value == 2.5
    assert fake.told == ["wait", "record", "work", "record", "wait"]


class Hand:
    """A worker that takes as long as it is told to, and knows how much work a step is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def ask(self, job: str, **_: object) -> Any:
        return {"flops": [1e12, 2e12], "peak": 1e15}.get(job, [self._seconds, 0.5])

    def column(self, job: str, **how: object) -> Callable[[], Sample]:
        return lambda: Sample(*self.ask(job, **how))


def test_a_cards_rows_are_rates_beside_the_arithmetic_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twenty steps in 0.4 s are 50 a second; of four pictures, 200 TFLOP a second of 1000."""
    seen: list[Mapping[str, Setup]] = []

    @contextmanager
    def hands(setups: Mapping[str, Setup]) -> Iterator[dict[str, Hand]]:
        seen.append(setups)
        yield {who: Hand(0.4 if who == OURS else 0.8) for who in setups}

    monkeypatch.setattr(card, "crew", hands)
    options = argparse.Namespace(
        models=[Model("SD 1", "folder", 512), Model("SDXL", "giant", 1024)],
        device="cuda",
        dtypes=["fp16"],
        pictures=[1, 4],
        steps=20,
        compile=True,
    )
    report = Report({})
    report.measure(card.rows(options), 3, unheard)
    found = {result.row.name: result for result in report.results}
    four = found["SD 1, 512², fp16, eager × 4"]
    assert four.median(OURS) == 50
    assert four.ratio() == 2
    assert four.share() == pytest.approx(0.2)
    whole = found["SD 1, 512², fp16, graphs, all × 4"]
    assert whole.median(OURS) == 10
    assert whole.share() == pytest.approx(4 * 22e12 / 0.4 / 1e15)
    assert "SDXL, 1024², fp16, compiled graphs × 1" in found
    assert not any("SDXL" in name and "× 4" in name for name in found)
    assert [setups[TUNED].mode for setups in seen[:4]] == [
        "eager",
        "eager",
        "compiled",
        "compiled graphs",
    ]
    assert {setups[THEIRS].mode for setups in seen} == {"eager"}


def test_the_peak_is_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of sides 8 is 1024 operations."""
    monkeypatch.setattr(peak, "clock", lambda _: lambda call: (call(), Sample(0.5))[1])
    assert peak.peak("cpu", "fp32", side=8) == 2048


def test_a_process_that_fails_tells_its_last_words() -> None:
    with pytest.raises(Failed, match="ended with 3: alas"):
        clock.process("-c", "import sys; print('alas', file=sys.stderr); sys.exit(3)")


def test_a_worker_that_cannot_load_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    setup = Setup(OURS, "no such model", "cpu", "fp32", 64)
    with pytest.raises(Failed, match=r"sdcli: ModelError: .*no such model"), crew({OURS: setup}):
        pass


@pytest.mark.slow
def test_both_sides_do_every_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a tiny model, each in its process."""
    monkeypatch.chdir(ROOT)
    model = str(write_tiny_model(tmp_path / "tiny"))
    setups = {who: Setup(who, model, "cpu", "fp32", 64) for who in (OURS, THEIRS, TUNED)}
    with crew(setups) as workers:
        for job, how in (("step", {"pictures": 2, "steps": 2}), ("decode", {})):
            result = race(Row(job, "ms", racing(workers, job, **how)), 1, unheard)
            assert result.ratio(TUNED) is not None
        for worker in workers.values():
            [most] = worker.ask("held")
            assert most > 50 * 2**20
            assert len(worker.ask("picture", pictures=1, steps=2)) == 2
        step, decode = workers[OURS].ask("flops")
        assert step > 0 < decode
        with pytest.raises(Failed, match="TypeError"):
            workers[OURS].ask("step", pictures=1)
        workers[OURS].ask("decode")  # it goes on after that


@pytest.mark.slow
def test_the_giant_is_a_model_of_sdxl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its layout and its two text encoders; with fewer and narrower layers."""
    unet = {**giant.UNET, "block_out_channels": (32, 32, 64), "attention_head_dim": (1, 1, 2)}
    monkeypatch.setattr(giant, "UNET", {**unet, "transformer_layers_per_block": 1})
    monkeypatch.setattr(giant, "VAE", {**giant.VAE, "block_out_channels": (32,) * 4})
    monkeypatch.setattr(
        giant, "_TEXT", tuple({**each, "num_hidden_layers": 1} for each in giant._TEXT)
    )
    folder = giant.write(tmp_path / "giant", "cpu")
    found = models.find(str(folder))
    assert found.family.name == "sdxl"
    monkeypatch.chdir(ROOT)
    setups = {who: Setup(who, str(folder), "cpu", "fp32", 64) for who in (OURS, THEIRS)}
    with crew(setups) as workers:
        for worker in workers.values():
            worker.ask("step", pictures=1, steps=1)
            worker.ask("flops")
