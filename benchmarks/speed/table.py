"""The table: a line a row, as soon as it is measured."""

from __future__ import annotations

from .race import OURS, THEIRS, TUNED, LeftOut, Result

HEAD = (
    f"{'':<39}{'':>6}{'sdcli':>19}{'diffusers':>20}{'tuned':>7}"
    f"{'ratio':>7}{'tuned':>7}{'CPU':>7}{'peak':>7}"
)
LEGEND = """\
A cell: the median of a row's repeats, and in brackets the least and the most.
diffusers: its pipeline as its documentation shows it, in the row's number format; beside commands
           and imports, importing the pipeline; beside saving, Pillow's default.
tuned:     the pipeline in channels_last, and compiled by torch.compile where sdcli is compiled.
ratio:     diffusers' time or memory / ours, median of pairs; above 1 we lead. Then tuned / ours.
CPU:       the same ratio of processor time. With --threads 1 other work on the machine hardly
           moves it; threads that wait for one another spin.
peak:      ours, of the arithmetic that a large product of matrices reached in the same run.
× 4:       of so many pictures at once."""


def line(result: Result) -> str:
    """A row of the table; more than 120 columns only where its name is long."""
    samples = result.samples
    tuned = number(result.median(TUNED)) if TUNED in samples else ""
    share = result.share()
    ratios = (result.ratio(), result.ratio(TUNED), result.busy_ratio())
    return (
        f"{result.row.name:<39}{result.row.unit:>6}{_cell(result, OURS):>19}"
        f"{_cell(result, THEIRS):>20}{tuned:>7}"
        + "".join(f"{'' if ratio is None else f'{ratio:.2f}':>7}" for ratio in ratios)
        + f"{'' if share is None else f'{share:.0%}':>7}"
    ).rstrip()


def left_out(row: LeftOut) -> str:
    """What stands in its place."""
    return f"{row.name}: left out: {row.reason}"


def number(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _cell(result: Result, column: str) -> str:
    shown = result.shown(column)
    median = number(result.median(column))
    if len(shown) == 1:
        return median
    return f"{median} ({number(min(shown))}–{number(max(shown))})"
