"""What is told of a run: the table as it comes, then a file of JSON and a plot."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .plot import Bar, plot
from .race import THEIRS, TUNED, Failed, LeftOut, Result, Row, race
from .table import left_out, line


def say(words: str) -> None:
    """At once, for a row can take minutes."""
    print(words, flush=True)


@dataclass(slots=True)
class Report:
    """Rows measured so far, and what is known of the machine."""

    machine: Mapping[str, str | int]
    results: list[Result] = field(default_factory=list)
    missing: list[LeftOut] = field(default_factory=list)

    def measure(
        self,
        rows: Iterable[Row | LeftOut],
        repeats: int,
        say: Callable[[str], None] = say,
    ) -> None:
        """Measure each row and tell it; one that cannot be is told, too."""
        for row in rows:
            if isinstance(row, Row):
                try:
                    result = race(row, repeats, say)
                except Failed as failure:
                    row = LeftOut(row.name, str(failure))
                else:
                    self.results.append(result)
                    say(line(result))
            if isinstance(row, LeftOut):
                self.missing.append(row)
                say(left_out(row))

    def write_json(self, path: Path) -> None:
        """All that was measured."""
        told = {
            "machine": dict(self.machine),
            "rows": [_row(result) for result in self.results],
            "left_out": [asdict(row) for row in self.missing],
        }
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def write_plot(self, path: Path) -> None:
        """How many times as fast each row is."""
        bars = [
            Bar(result.row.name, ratio, result.ratio(TUNED))
            for result in self.results
            if (ratio := result.ratio())
        ]
        where = f"{self.machine['device']}, {self.machine['processor']}"
        path.write_bytes(plot(bars, where))


def _row(result: Result) -> dict[str, Any]:
    columns = {}
    for name, samples in result.samples.items():
        shown, share = result.shown(name), result.share(name)
        busy = [sample.busy for sample in samples if sample.busy is not None]
        columns[name] = {
            "median": result.median(name),
            "min": min(shown),
            "max": max(shown),
            "cpu_seconds": statistics.median(busy) if busy else None,
            "percent_of_peak": None if share is None else 100 * share,
        }
    work = result.row.work
    return {
        "name": result.row.name,
        "unit": result.row.unit,
        "columns": columns,
        "ratio": result.ratio(THEIRS),
        "tuned_ratio": result.ratio(TUNED),
        "cpu_ratio": result.busy_ratio(),
        "percent_of_peak": columns["sdcli"]["percent_of_peak"],
        "peak_flops": None if work is None else work.peak,
    }
