"""The ground of landscapes: mountains, sea, hills, desert, field and forest."""

import math
from random import Random

from .canvas import Canvas
from .landscapes import HORIZON, Landscape
from .light import GRAY_SKY, GROUND_LIGHT, OBJECT_LIGHT, SKIES, SNOW
from .palette import RGB, mix, tint

GROUNDS: dict[str, RGB] = {
    "mountains": (98, 150, 84),
    "sea": (226, 204, 150),
    "hills": (104, 172, 76),
    "desert": (226, 178, 108),
    "field": (206, 186, 84),
    "forest": (72, 122, 60),
}
WATER: dict[str, RGB] = {
    "day": (44, 122, 190),
    "sunset": (150, 84, 110),
    "night": (14, 26, 66),
    "dawn": (136, 150, 190),
}


def _ground_colour(scene: Landscape, colour: RGB | None = None) -> RGB:
    base = GROUNDS[scene.terrain] if colour is None else colour
    if scene.snowy:
        base = mix(base, SNOW, 0.88)
    light = GROUND_LIGHT[scene.time]
    if scene.snowy and scene.time == "night":
        light = (0.5, 0.56, 0.76)  # snow glows: it must still read as white ground
    return tint(base, light)


def _ridge(canvas: Canvas, rng: Random, colour: RGB, *, level: float, swing: float) -> None:
    phase, pace = rng.uniform(0, math.tau), rng.uniform(4.0, 8.0)
    edge = [(i / 32, level + swing * math.sin(phase + pace * i / 32)) for i in range(33)]
    canvas.polygon([*edge, (1.0, 1.0), (0.0, 1.0)], colour)


def _mountains(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    far = mix(tint((112, 116, 138), GROUND_LIGHT[scene.time]), SKIES[scene.time][1], 0.15)
    cap = tint(SNOW, OBJECT_LIGHT[scene.time])
    for x in (rng.uniform(0.0, 0.15), rng.uniform(0.75, 1.0), rng.uniform(0.35, 0.6)):
        half, top = rng.uniform(0.3, 0.42), rng.uniform(0.2, 0.34)
        foot, side = HORIZON + 0.1, mix(far, (0, 0, 0), 0.2)
        canvas.polygon([(x - half, foot), (x, top), (x + half, foot)], far)
        canvas.polygon([(x, top), (x + half, foot), (x + half * 0.15, foot)], side)
        drop = 0.6 if scene.snowy else 0.32
        low, width = top + (foot - top) * drop, half * drop
        canvas.polygon(
            [
                (x, top),
                (x - width, low),
                (x - width * 0.4, low - 0.03),
                (x, low + 0.02),
                (x + width * 0.4, low - 0.03),
                (x + width, low),
            ],
            cap,
        )
    _ridge(canvas, rng, _ground_colour(scene), level=HORIZON + 0.08, swing=0.02)


def _sea(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    water = WATER[scene.time]
    if scene.weather != "clear":
        water = mix(water, tint(GRAY_SKY, GROUND_LIGHT[scene.time]), 0.3)
    canvas.gradient(mix(water, SKIES[scene.time][1], 0.3), water, top=HORIZON, bottom=1.0)
    glint = mix(water, (255, 255, 255), 0.3)
    for _ in range(12):
        x, y, length = rng.random(), rng.uniform(HORIZON + 0.03, 0.78), rng.uniform(0.06, 0.16)
        canvas.line([(x, y), (x + length, y)], 0.008, glint)
    _ridge(canvas, rng, _ground_colour(scene), level=0.82, swing=0.012)


def _hills(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    near = _ground_colour(scene)
    far = mix(near, SKIES[scene.time][1], 0.35)
    _ridge(canvas, rng, far, level=HORIZON - 0.04, swing=0.06)
    _ridge(canvas, rng, mix(near, far, 0.5), level=HORIZON + 0.05, swing=0.05)
    _ridge(canvas, rng, near, level=HORIZON + 0.16, swing=0.025)


def _desert(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    near = _ground_colour(scene)
    for level, share in ((HORIZON, 0.3), (HORIZON + 0.1, 0.0)):
        _ridge(canvas, rng, mix(near, (96, 52, 30), share), level=level, swing=0.035)
    _ridge(canvas, rng, mix(near, (255, 236, 190), 0.2), level=HORIZON + 0.2, swing=0.02)


def _field(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    near = _ground_colour(scene)
    canvas.box(0.0, HORIZON + 0.02, 1.0, 1.0, near)
    canvas.box(0.0, HORIZON, 1.0, HORIZON + 0.035, _ground_colour(scene, (64, 112, 54)))
    furrow, centre = mix(near, (0, 0, 0), 0.14), rng.uniform(0.3, 0.7)
    for i in range(-6, 7):
        x, top = centre + i * 0.3, centre + i * 0.05
        canvas.polygon([(top, HORIZON + 0.04), (x - 0.04, 1.0), (x + 0.04, 1.0)], furrow)


def _forest(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    near = _ground_colour(scene)
    for row, (level, share) in enumerate(((HORIZON + 0.04, 0.35), (HORIZON + 0.12, 0.0))):
        green = tint((36, 86, 52), GROUND_LIGHT[scene.time])
        if scene.snowy:
            green = mix(green, _ground_colour(scene), 0.45)
        colour = mix(green, SKIES[scene.time][1], share)
        for i in range(9):
            x = (i + 0.5 * row) / 8 + rng.uniform(-0.03, 0.03)
            top = level - rng.uniform(0.24, 0.38)
            canvas.polygon([(x - 0.08, level), (x, top), (x + 0.08, level)], colour)
        canvas.box(0.0, level - 0.01, 1.0, 1.0, mix(near, SKIES[scene.time][1], share * 0.5))


PAINTERS = {
    "mountains": _mountains,
    "sea": _sea,
    "hills": _hills,
    "desert": _desert,
    "field": _field,
    "forest": _forest,
}
