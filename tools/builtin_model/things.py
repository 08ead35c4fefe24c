"""The objects that stand in landscapes: what each may look like, and its painter."""

from collections.abc import Callable
from dataclasses import dataclass

from .canvas import Canvas
from .light import SNOW, Light
from .palette import COLOURS, RGB, mix, tint

LAMP: RGB = (255, 214, 110)
PANE: RGB = (120, 160, 190)
WOOD: RGB = (112, 72, 40)

MIXED = ("yellow", "green", "pink", "orange", "purple", "brown")
PAINTS = ("red", "blue", "white", *MIXED, "gray", "cyan")


@dataclass(frozen=True)
class Kind:
    """One sort of object: the colours of its main and second part, and where it may stand."""

    colours: tuple[str, ...]
    seconds: tuple[str, ...] = ()
    terrains: tuple[str, ...] = ("mountains", "sea", "hills", "desert", "field", "forest")
    weathers: tuple[str, ...] = ("clear", "clouds", "rain", "snow", "fog")
    weight: float = 1.0


ON_LAND = ("mountains", "hills", "field", "forest")

KINDS: dict[str, Kind] = {
    "house": Kind(PAINTS, PAINTS, weight=2.5),
    "cabin": Kind(("brown",), ("red", "green", "blue", "gray", "brown"), weight=1.2),
    "tree": Kind(("green", "green", "orange", "yellow", "pink", "red"), (), (*ON_LAND, "sea")),
    "pine tree": Kind(("green",), (), ON_LAND),
    "boat": Kind(PAINTS, ("white", *PAINTS), ("sea",), weight=3.0),
    "lighthouse": Kind(("red", "blue", "green", "black"), (), ("sea",), weight=2.5),
    "tent": Kind(PAINTS),
    "balloon": Kind(PAINTS, (), weathers=("clear", "clouds")),
    "castle": Kind(("gray", "white", "brown", "pink"), ("red", "blue", "green", "purple")),
    "cactus": Kind(("green",), (), ("desert",), weight=3.0),
    "snowman": Kind(("white",), ("red", "blue", "green", "purple", "orange"), ON_LAND, ("snow",)),
    "car": Kind(("red", "blue", "yellow", "green", "white", "black", "orange", "purple")),
}


@dataclass(frozen=True)
class Thing:
    """One object: `x` is its centre, `base` the height it stands at, `scale` its relative size."""

    kind: str
    colour: str
    second: str | None
    x: float
    base: float
    scale: float


@dataclass(frozen=True)
class Setting:
    """What an object needs to know of its surroundings to be lit and covered as they are."""

    light: Light
    lamps: bool
    snow: bool


class _Frame:
    """Draws in an object's own coordinates: x to the right of its centre, y up from its base."""

    def __init__(self, canvas: Canvas, thing: Thing, setting: Setting) -> None:
        self.canvas, self.thing, self.setting = canvas, thing, setting
        self.main = self.lit(COLOURS[thing.colour])
        self.other = self.lit(COLOURS[thing.second or thing.colour])

    def lit(self, colour: RGB) -> RGB:
        return tint(colour, self.setting.light)

    def dark(self, colour: RGB, share: float = 0.22) -> RGB:
        return mix(colour, (0, 0, 0), share)

    @property
    def window(self) -> RGB:
        return LAMP if self.setting.lamps else self.lit(PANE)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        t = self.thing
        return (t.x + x * t.scale, t.base - y * t.scale)

    def polygon(self, colour: RGB, *points: tuple[float, float]) -> None:
        self.canvas.polygon([self._at(*p) for p in points], colour)

    def box(self, colour: RGB, x: float, y: float, width: float, height: float) -> None:
        """A box by the middle of its lower edge."""
        half = width / 2
        self.polygon(
            colour, (x - half, y), (x + half, y), (x + half, y + height), (x - half, y + height)
        )

    def ball(self, colour: RGB, x: float, y: float, rx: float, ry: float | None = None) -> None:
        scale = self.thing.scale
        self.canvas.ellipse(*self._at(x, y), rx * scale, (ry or rx) * scale, colour)

    def roof(self, colour: RGB, y: float, half: float, height: float) -> None:
        self.polygon(colour, (-half, y), (half, y), (0.0, y + height))
        if self.setting.snow:
            top = y + height
            self.polygon(
                self.lit(SNOW),
                (0.0, top),
                (-half * 0.5, y + height * 0.5),
                (0.0, top - 0.04),
                (half * 0.5, y + height * 0.5),
            )


def _house(f: _Frame) -> None:
    f.box(f.main, 0, 0, 0.34, 0.2)
    f.box(f.dark(f.main, 0.12), 0.12, 0, 0.1, 0.2)
    f.roof(f.other, 0.2, 0.21, 0.15)
    f.box(f.lit(WOOD), 0, 0, 0.07, 0.12)
    f.box(f.window, -0.11, 0.07, 0.07, 0.07)
    f.box(f.window, 0.11, 0.07, 0.07, 0.07)


def _cabin(f: _Frame) -> None:
    f.box(f.main, 0, 0, 0.4, 0.15)
    for row in range(3):
        f.box(f.dark(f.main), 0, 0.03 + row * 0.045, 0.4, 0.014)
    f.box(f.dark(f.main, 0.4), 0.11, 0.2, 0.05, 0.14)
    f.roof(f.other, 0.15, 0.25, 0.13)
    f.box(f.dark(f.main, 0.55), -0.09, 0, 0.08, 0.11)
    f.box(f.window, 0.09, 0.05, 0.09, 0.06)


def _tree(f: _Frame) -> None:
    f.box(f.lit(WOOD), 0, 0, 0.045, 0.2)
    for x, y, r in ((-0.08, 0.22, 0.09), (0.08, 0.22, 0.09), (0, 0.3, 0.11)):
        f.ball(f.dark(f.main, 0.15), x, y - 0.015, r)
    for x, y, r in ((-0.07, 0.235, 0.075), (0.06, 0.24, 0.075), (-0.01, 0.32, 0.085)):
        f.ball(f.main, x, y, r)
    if f.setting.snow:
        f.ball(f.lit(SNOW), -0.01, 0.385, 0.06, 0.025)


def _pine(f: _Frame) -> None:
    f.box(f.lit(WOOD), 0, 0, 0.04, 0.08)
    green = f.dark(f.main, 0.3)
    for y, half in ((0.06, 0.13), (0.16, 0.105), (0.26, 0.075)):
        f.polygon(green, (-half, y), (half, y), (0, y + 0.15))
        if f.setting.snow:
            f.polygon(
                f.lit(SNOW), (-half * 0.45, y + 0.085), (half * 0.45, y + 0.085), (0, y + 0.15)
            )


def _boat(f: _Frame) -> None:
    f.box(f.lit(WOOD), 0, 0.06, 0.016, 0.34)
    f.polygon(f.other, (0.02, 0.12), (0.02, 0.39), (0.18, 0.12))
    f.polygon(f.dark(f.other, 0.1), (-0.02, 0.12), (-0.02, 0.34), (-0.13, 0.12))
    f.polygon(f.main, (-0.2, 0.1), (0.21, 0.1), (0.14, 0), (-0.14, 0))


def _lighthouse(f: _Frame) -> None:
    f.polygon(f.lit((96, 92, 90)), (-0.17, -0.03), (-0.11, 0.04), (0.1, 0.05), (0.18, -0.03))
    for step in range(4):
        low, high = 0.085 - step * 0.008, 0.077 - step * 0.008
        y = 0.03 + step * 0.09
        colour = f.main if step % 2 == 0 else f.lit(COLOURS["white"])
        f.polygon(colour, (-low, y), (low, y), (high, y + 0.09), (-high, y + 0.09))
    f.box(LAMP if f.setting.lamps else f.lit((250, 236, 170)), 0, 0.39, 0.075, 0.05)
    f.roof(f.main, 0.44, 0.06, 0.055)


def _tent(f: _Frame) -> None:
    f.polygon(f.main, (-0.19, 0), (0.19, 0), (0, 0.23))
    f.polygon(f.dark(f.main, 0.35), (0.19, 0), (0, 0.23), (0.1, 0))
    f.polygon(LAMP if f.setting.lamps else f.dark(f.main, 0.6), (-0.06, 0), (0.05, 0), (0, 0.15))


def _balloon(f: _Frame) -> None:
    f.polygon(f.main, (-0.13, 0.16), (0.13, 0.16), (0.03, 0.05), (-0.03, 0.05))
    f.ball(f.main, 0, 0.23, 0.15, 0.155)
    f.ball(mix(f.main, (255, 255, 255), 0.45), 0, 0.23, 0.05, 0.153)
    f.box(f.lit(WOOD), 0, -0.03, 0.07, 0.05)


def _castle(f: _Frame) -> None:
    f.box(f.main, 0, 0, 0.34, 0.2)
    for x in (-0.17, 0.17):
        f.box(f.dark(f.main, 0.12), x, 0, 0.11, 0.28)
        f.polygon(f.other, (x - 0.07, 0.28), (x + 0.07, 0.28), (x, 0.42))
        f.box(f.window, x, 0.17, 0.035, 0.06)
    for x in (-0.08, 0.0, 0.08):
        f.box(f.main, x, 0.2, 0.04, 0.04)
    f.box(f.lit(WOOD), 0, 0, 0.09, 0.12)
    f.ball(f.lit(WOOD), 0, 0.12, 0.045)


def _cactus(f: _Frame) -> None:
    green = f.dark(f.main, 0.1)
    f.box(green, 0, 0, 0.075, 0.33)
    f.ball(green, 0, 0.33, 0.0375)
    for side, low, high in ((-1, 0.12, 0.25), (1, 0.17, 0.3)):
        f.box(green, side * 0.075, low, 0.11, 0.05)
        f.box(green, side * 0.11, low, 0.05, high - low)
        f.ball(green, side * 0.11, high, 0.025)


def _snowman(f: _Frame) -> None:
    white, shade = f.lit(COLOURS["white"]), f.lit((205, 212, 226))
    for y, r in ((0.09, 0.11), (0.24, 0.08), (0.35, 0.06)):
        f.ball(shade, 0, y, r)
        f.ball(white, -0.01, y + 0.01, r * 0.9)
    f.box(f.other, 0, 0.285, 0.13, 0.032)
    f.polygon(f.other, (0.03, 0.3), (0.07, 0.3), (0.075, 0.2), (0.04, 0.2))
    f.box(f.lit((25, 25, 28)), 0, 0.395, 0.12, 0.016)
    f.box(f.lit((25, 25, 28)), 0, 0.4, 0.08, 0.07)
    f.polygon(f.lit(COLOURS["orange"]), (0, 0.36), (0, 0.34), (0.06, 0.345))


def _car(f: _Frame) -> None:
    f.polygon(f.main, (-0.12, 0.12), (0.11, 0.12), (0.06, 0.2), (-0.08, 0.2))
    f.polygon(f.window, (-0.09, 0.125), (0.08, 0.125), (0.045, 0.18), (-0.065, 0.18))
    f.box(f.main, 0, 0.04, 0.4, 0.085)
    for x in (-0.12, 0.12):
        f.ball(f.lit((22, 22, 24)), x, 0.04, 0.048)
        f.ball(f.lit((150, 150, 155)), x, 0.04, 0.02)


PAINTERS: dict[str, Callable[[_Frame], None]] = {
    "house": _house,
    "cabin": _cabin,
    "tree": _tree,
    "pine tree": _pine,
    "boat": _boat,
    "lighthouse": _lighthouse,
    "tent": _tent,
    "balloon": _balloon,
    "castle": _castle,
    "cactus": _cactus,
    "snowman": _snowman,
    "car": _car,
}


def paint_thing(canvas: Canvas, thing: Thing, setting: Setting) -> None:
    """Paint one object as the light and the weather show it."""
    PAINTERS[thing.kind](_Frame(canvas, thing, setting))
