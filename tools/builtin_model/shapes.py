"""Scenes of flat geometric figures: what they are, how one is invented and how it is painted."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .canvas import Canvas, Point
from .palette import COLOURS, contrasting

SIZES: dict[str, float] = {"small": 0.11, "medium": 0.19, "large": 0.30}  # radius
RELATIONS = ("left of", "above", "inside")  # first figure relative to the second one
COLUMNS = {"left": 0.25, "": 0.5, "right": 0.75}
ROWS = {"top": 0.25, "": 0.5, "bottom": 0.75}
ROOMY = ("circle", "square", "hexagon", "diamond", "heart", "ring")  # can hold another figure
MARGIN = 0.03

Outline = list[Point]


@dataclass(frozen=True)
class Figure:
    """One shape: its centre and radius are in units of the picture's side."""

    shape: str
    colour: str
    size: str
    x: float
    y: float
    radius: float
    turn: float = 0.0  # radians


@dataclass(frozen=True)
class Backdrop:
    """A plain colour, or a vertical blend from `colour` at the top to `second` at the bottom."""

    colour: str
    second: str | None = None

    @property
    def colours(self) -> tuple[str, ...]:
        return (self.colour,) if self.second is None else (self.colour, self.second)


@dataclass(frozen=True)
class ShapeScene:
    """Figures on a backdrop; `place` is set for one figure, `relation` for a pair of them."""

    figures: tuple[Figure, ...]
    backdrop: Backdrop
    place: tuple[str, str] | None = None  # (row, column), "" being the middle
    relation: str | None = None


def _circle(radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> Outline:
    steps = [i * math.tau / 72 for i in range(72)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in steps]


def _regular(corners: int, start: float) -> Outline:
    angles = [start + i * math.tau / corners for i in range(corners)]
    return [(math.cos(a), math.sin(a)) for a in angles]


def _star() -> Outline:
    spokes = [(1.0 if i % 2 == 0 else 0.42, -math.pi / 2 + i * math.pi / 5) for i in range(10)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in spokes]


def _heart() -> Outline:
    points = []
    for i in range(72):
        a = i * math.tau / 72
        x = 16 * math.sin(a) ** 3
        y = 13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)
        points.append((x / 16.5, -(y + 2.5) / 15))
    return points


def _cross() -> Outline:
    w, e = 0.32, 0.95
    right = [(w, -e), (w, -w), (e, -w), (e, w), (w, w), (w, e)]
    return right + [(-x, -y) for x, y in right]


SHAPES: dict[str, Callable[[], Outline]] = {
    "circle": _circle,
    "square": lambda: [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)],
    "triangle": lambda: [(0.0, -0.95), (0.98, 0.8), (-0.98, 0.8)],
    "star": _star,
    "heart": _heart,
    "ring": _circle,
    "cross": _cross,
    "diamond": lambda: [(0.0, -1.0), (0.7, 0.0), (0.0, 1.0), (-0.7, 0.0)],
    "hexagon": lambda: _regular(6, 0.0),
    "crescent": _circle,
}
HOLES: dict[str, Outline] = {"ring": _circle(0.6), "crescent": _circle(0.85, 0.45, -0.15)}


def paint_shapes(scene: ShapeScene) -> Canvas:
    """Paint the backdrop, then the figures from the last (outermost) to the first."""
    upper = COLOURS[scene.backdrop.colour]
    canvas = Canvas(upper)
    if scene.backdrop.second is not None:
        canvas.gradient(upper, COLOURS[scene.backdrop.second])
    for figure in reversed(scene.figures):
        hole = HOLES.get(figure.shape)
        outline = _placed(SHAPES[figure.shape](), figure)
        canvas.cut_out(outline, _placed(hole, figure) if hole else None, COLOURS[figure.colour])
    return canvas


def _placed(points: Outline, figure: Figure) -> Outline:
    c, s = math.cos(figure.turn) * figure.radius, math.sin(figure.turn) * figure.radius
    return [(figure.x + c * x - s * y, figure.y + s * x + c * y) for x, y in points]


def invent_shapes(rng: Random) -> ShapeScene:
    """Make up a scene: one placed figure, a related pair, or several alike."""
    backdrop = _backdrop(rng)
    kind = rng.choices(("single", "pair", "group"), (0.4, 0.4, 0.2))[0]
    if kind == "single":
        return _single(rng, backdrop)
    if kind == "pair":
        return _pair(rng, backdrop)
    return _group(rng, backdrop)


def _backdrop(rng: Random) -> Backdrop:
    if rng.random() < 0.25:
        first, second = rng.sample(list(COLOURS), 2)
        return Backdrop(first, second)
    plain = rng.choices(("white", "black", None), (0.4, 0.15, 0.45))[0]
    return Backdrop(plain or rng.choice(list(COLOURS)))


def _colour(rng: Random, *against: str) -> str:
    # A gradient may leave no colour that stands out strongly from both ends; ask for less then.
    return rng.choice(contrasting(*against) or contrasting(*against, least=60.0))


def _figure(rng: Random, shape: str, colour: str, size: str, x: float, y: float) -> Figure:
    radius = SIZES[size] * rng.uniform(0.92, 1.08)
    lowest, highest = radius + MARGIN, 1 - radius - MARGIN
    return Figure(
        shape=shape,
        colour=colour,
        size=size,
        x=min(max(x + rng.uniform(-0.03, 0.03), lowest), highest),
        y=min(max(y + rng.uniform(-0.03, 0.03), lowest), highest),
        radius=radius,
        turn=rng.uniform(-0.1, 0.1),
    )


def _single(rng: Random, backdrop: Backdrop) -> ShapeScene:
    middle = rng.random() < 0.5
    row, column = ("", "") if middle else (rng.choice(list(ROWS)), rng.choice(list(COLUMNS)))
    colour = _colour(rng, *backdrop.colours)
    size = rng.choices(list(SIZES), (0.25, 0.4, 0.35))[0]
    figure = _figure(rng, rng.choice(list(SHAPES)), colour, size, COLUMNS[column], ROWS[row])
    return ShapeScene((figure,), backdrop, place=(row, column))


def _pair(rng: Random, backdrop: Backdrop) -> ShapeScene:
    relation = rng.choice(RELATIONS)
    first, second = _colour(rng, *backdrop.colours), _colour(rng, *backdrop.colours)
    shape, other = rng.choice(list(SHAPES)), rng.choice(list(SHAPES))
    if relation == "inside":
        other = rng.choice(ROOMY)
        first = _colour(rng, second)
        outer = _figure(rng, other, second, "large", 0.5, 0.5)
        # A ring's figure sits in its hole and must also stand out from the backdrop.
        if other == "ring":
            first = _colour(rng, second, backdrop.colour)
        x, y = outer.x, outer.y
        inner = Figure(shape, first, "small", x, y, 0.42 * outer.radius, rng.uniform(-0.1, 0.1))
        return ShapeScene((inner, outer), backdrop, relation=relation)
    sizes = [rng.choice(("small", "medium")), rng.choice(("small", "medium"))]
    drift = rng.uniform(-0.1, 0.1)
    spots = [(0.26, 0.5 + drift), (0.74, 0.5 + drift)]
    if relation == "above":
        spots = [(y, x) for x, y in spots]
    return ShapeScene(
        (
            _figure(rng, shape, first, sizes[0], *spots[0]),
            _figure(rng, other, second, sizes[1], *spots[1]),
        ),
        backdrop,
        relation=relation,
    )


LAYOUTS: dict[int, tuple[tuple[Point, ...], ...]] = {
    2: (((0.27, 0.5), (0.73, 0.5)), ((0.5, 0.27), (0.5, 0.73)), ((0.3, 0.3), (0.7, 0.7))),
    3: (
        ((0.2, 0.5), (0.5, 0.5), (0.8, 0.5)),
        ((0.5, 0.27), (0.27, 0.7), (0.73, 0.7)),
        ((0.5, 0.18), (0.5, 0.5), (0.5, 0.82)),
    ),
    4: (((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)),),
}


def _group(rng: Random, backdrop: Backdrop) -> ShapeScene:
    count = rng.choice(list(LAYOUTS))
    layout = rng.choice(LAYOUTS[count])
    shape, colour = rng.choice(list(SHAPES)), _colour(rng, *backdrop.colours)
    size = "small" if count == 3 else rng.choice(("small", "medium"))
    figures = tuple(_figure(rng, shape, colour, size, x, y) for x, y in layout)
    return ShapeScene(figures, backdrop)
