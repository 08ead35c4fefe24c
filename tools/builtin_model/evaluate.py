"""The command that measures a finished model, and writes its contact sheet and its model card.

    python -m tools.builtin_model.evaluate [--model sdcli/builtin] [--sheet FILE] [--card FILE]

Everything is asked through sdcli itself, with prompts that training never used. First the checkers
are put to the test on drawn pictures, whose truth is known.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcli import Engine

from . import card, measures, questions, reading
from .contact_sheet import PROMPTS, sheet
from .landscape_reading import LandscapeReader
from .scenes import draw

FIGURES, PAIRS, LANDSCAPES, FREE = 200, 150, 150, 48


@dataclass(frozen=True)
class Row:
    """A line of the table; `goal` is the least value (for `below`, the greatest) that will do."""

    what: str
    value: float
    goal: float | None
    form: str = "{:.1%}"
    below: bool = False

    @property
    def figure(self) -> str:
        """The value as a person reads it."""
        return self.form.format(self.value)

    @property
    def verdict(self) -> str:
        """The goal, and whether it is met."""
        if self.goal is None:
            return ""
        met = self.value <= self.goal if self.below else self.value >= self.goal
        sign = "≤" if self.below else "≥"
        return f"{sign} {self.form.format(self.goal)} {'met' if met else 'MISSED'}"


def main() -> None:
    """Print the table; write what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("sdcli/builtin"))
    parser.add_argument("--sheet", type=Path, help="PNG of one picture a prompt")
    parser.add_argument("--card", type=Path, help="the model card, as Markdown")
    options = parser.parse_args()
    engine = Engine.load(str(options.model))
    rows = []
    for row in table(engine, options.model):
        rows.append(row)
        print(f"{row.what:<62}{row.figure:>9}  {row.verdict}", flush=True)
    if options.sheet:
        sheet(measures.paint(engine, PROMPTS), list(PROMPTS)).save(options.sheet)
    if options.card:
        options.card.write_text(card.text([(row.what, row.figure) for row in rows], options.model))


def table(engine: Engine, folder: Path) -> Iterator[Row]:
    """Every figure, the checkers' own first."""
    reader = LandscapeReader.fitted()
    figures = questions.one_figure(FIGURES)
    pairs = questions.two_figures(PAIRS)
    views = questions.landscapes(LANDSCAPES)
    yield from _checkers(reader)
    yield Row("autoencoder, held-out scenes (dB)", measures.reconstruction(folder), 29, "{:.1f}")
    guided = measures.one_figure(engine, figures)
    yield Row("one figure: its colour", guided.colour, 0.95)
    yield Row("one figure: the background's colour", guided.background, 0.97)
    yield Row("one figure: its shape", guided.shape, 0.90)
    yield Row("two figures: both colours on their sides", measures.two_figures(engine, pairs), 0.85)
    seen = measures.landscapes(engine, views, reader)
    yield Row("landscapes: time of day", seen.time, None)
    yield Row("landscapes: terrain", seen.terrain, None)
    yield Row("landscapes: both", seen.both, 0.90)
    free = measures.one_figure(engine, figures, guidance=1.0)
    yield Row(
        "without guidance (CFG 1): a figure's colour", free.colour, guided.colour - 0.03, below=True
    )
    yield Row(
        "without guidance (CFG 1): a figure's shape", free.shape, guided.shape - 0.03, below=True
    )
    yield Row(
        "no prompt at all: variety, of that among drawn pictures",
        measures.variety(engine, FREE),
        0.7,
    )
    yield Row("size (MiB)", measures.size(folder), 24, "{:.1f}", below=True)
    yield Row(
        "time of a picture, 20 steps with guidance (s)",
        measures.seconds_a_picture(engine),
        0.6,
        "{:.2f}",
        below=True,
    )


def _checkers(reader: LandscapeReader) -> Iterator[Row]:
    """How often the checkers are right about drawn pictures."""
    ones = [q.scene for q in questions.one_figure(500)]
    seen = [reading.read(draw(scene)) for scene in ones]
    right = [
        (r.background, r.colour, r.shape)
        == (s.backdrop.colour, s.figures[0].colour, s.figures[0].shape)
        for s, r in zip(ones, seen, strict=True)
    ]
    yield Row("checker on drawn figures: colours and shape", sum(right) / len(right), 0.99)
    views = [q.scene for q in questions.landscapes(500)]
    answers = reader.read(map(draw, views))
    known = [(s.time, s.terrain) == a for s, a in zip(views, answers, strict=True)]
    yield Row("checker on drawn landscapes: time and terrain", sum(known) / len(known), 0.98)


if __name__ == "__main__":
    main()
