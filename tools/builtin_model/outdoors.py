"""Painting landscapes from far to near: sky, sun or moon, clouds, ground, things, weather."""

from random import Random

from .canvas import Canvas
from .landscapes import HORIZON, Landscape
from .light import GRAY_SKY, GROUND_LIGHT, OBJECT_LIGHT, SKIES
from .palette import RGB, mix, tint
from .terrain import PAINTERS
from .things import Setting, paint_thing


def paint_landscape(scene: Landscape) -> Canvas:
    """The finished painting of one landscape."""
    rng = Random(scene.seed)
    upper, lower = SKIES[scene.time]
    if scene.weather != "clear":
        gloom = tint(GRAY_SKY, GROUND_LIGHT[scene.time])
        share = 0.35 if scene.weather == "clouds" else 0.6
        upper, lower = mix(upper, gloom, share), mix(lower, gloom, share * 0.7)
    canvas = Canvas(lower)
    canvas.gradient(upper, lower, top=0.0, bottom=HORIZON + 0.04)
    if scene.time == "night" and scene.weather == "clear":
        for _ in range(24):
            r = rng.uniform(0.006, 0.01)
            canvas.ellipse(rng.random(), rng.uniform(0, 0.5), r, r, (235, 238, 255))
    if scene.disc:
        _disc(canvas, scene, rng, upper)
    if scene.weather in ("clouds", "rain", "snow"):
        _clouds(canvas, scene, rng)
    PAINTERS[scene.terrain](canvas, scene, rng)
    setting = Setting(
        OBJECT_LIGHT[scene.time], lamps=scene.time in ("night", "sunset"), snow=scene.snowy
    )
    for thing in scene.things:
        paint_thing(canvas, thing, setting)
    if scene.weather == "fog":
        canvas.veil(mix(lower, (205, 208, 214), 0.55 if scene.time != "night" else 0.2), 0.5)
    elif scene.weather in ("rain", "snow"):
        _falling(canvas, scene, rng)
    return canvas


def _disc(canvas: Canvas, scene: Landscape, rng: Random, sky: RGB) -> None:
    x = rng.uniform(0.15, 0.85)
    if scene.time == "night":
        y = rng.uniform(0.13, 0.22)
        canvas.ellipse(x, y, 0.075, 0.075, (244, 240, 214))
        canvas.ellipse(x + 0.02, y - 0.015, 0.018, 0.018, (220, 216, 192))
        return
    if scene.time == "day":
        y = rng.uniform(0.13, 0.2)
        canvas.ellipse(x, y, 0.11, 0.11, mix(sky, (255, 244, 190), 0.4))
        canvas.ellipse(x, y, 0.075, 0.075, (255, 232, 90))
        return
    core = (255, 216, 96) if scene.time == "sunset" else (255, 240, 214)
    # Peaks and tree tops would hide a sun on the horizon.
    y = (
        rng.uniform(0.14, 0.2)
        if scene.terrain in ("mountains", "forest")
        else rng.uniform(0.4, 0.48)
    )
    canvas.ellipse(x, y, 0.14, 0.14, mix(SKIES[scene.time][1], core, 0.4))
    canvas.ellipse(x, y, 0.095, 0.095, core)


def _clouds(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    base = (250, 250, 252) if scene.weather == "clouds" else (176, 180, 188)
    colour = mix(tint(base, GROUND_LIGHT[scene.time]), SKIES[scene.time][1], 0.25)
    if scene.time == "night":
        colour = mix(colour, (120, 128, 156), 0.35)
    for column in range(3):
        x, y = column / 3 + rng.uniform(0.05, 0.28), rng.uniform(0.08, 0.28)
        for dx, dy, r in ((-0.09, 0.01, 0.05), (0.0, -0.02, 0.07), (0.09, 0.01, 0.055)):
            canvas.ellipse(x + dx, y + dy, r * 1.2, r, colour)


def _falling(canvas: Canvas, scene: Landscape, rng: Random) -> None:
    if scene.weather == "snow":
        for _ in range(40):
            r = rng.uniform(0.008, 0.014)
            canvas.ellipse(rng.random(), rng.random(), r, r, (250, 251, 255))
        return
    streak = mix(tint(GRAY_SKY, GROUND_LIGHT[scene.time]), (225, 232, 245), 0.5)
    for _ in range(34):
        x, y, length = rng.uniform(0, 1.1), rng.random(), rng.uniform(0.06, 0.1)
        canvas.line([(x, y), (x - length * 0.3, y + length)], 0.009, streak)
