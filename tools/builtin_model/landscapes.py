"""Scenes out of doors: what they are and how one is invented."""

from dataclasses import dataclass
from random import Random

from .things import KINDS, Thing

TIMES = ("day", "sunset", "night", "dawn")
WEATHERS = ("clear", "clouds", "rain", "snow", "fog")
TERRAINS = ("mountains", "sea", "hills", "desert", "field", "forest")
HORIZON = 0.58
STANDING = 0.84  # where things stand unless they float or fly


@dataclass(frozen=True)
class Landscape:
    """Time, weather, terrain and the things in it; `seed` fixes only unnamed detail (stars)."""

    time: str
    weather: str
    terrain: str
    things: tuple[Thing, ...]
    disc: bool  # whether the sun or the moon is in the sky
    seed: int

    @property
    def snowy(self) -> bool:
        return self.weather == "snow"


def invent_landscape(rng: Random) -> Landscape:
    """Make up a landscape whose things suit its terrain and weather."""
    time, terrain = rng.choice(TIMES), rng.choice(TERRAINS)
    weather = rng.choices(WEATHERS, (0.42, 0.14, 0.14, 0.2, 0.1))[0]
    if terrain == "desert" and weather == "snow":
        weather = "clear"
    things = _things(rng, terrain, weather)
    disc = weather in ("clear", "clouds") and rng.random() < 0.6
    return Landscape(time, weather, terrain, things, disc, rng.randrange(2**31))


def _things(rng: Random, terrain: str, weather: str) -> tuple[Thing, ...]:
    fitting = {
        name: kind.weight
        for name, kind in KINDS.items()
        if terrain in kind.terrains and weather in kind.weathers
    }
    how = rng.choices(("none", "one", "two", "several"), (0.18, 0.5, 0.22, 0.1))[0]
    if how == "none":
        return ()
    names = rng.choices(list(fitting), list(fitting.values()), k=2)
    if how == "one":
        return (_thing(rng, names[0], rng.uniform(0.3, 0.7), rng.uniform(0.95, 1.35)),)
    if how == "two" and names[0] != names[1]:
        spots = (rng.uniform(0.2, 0.3), rng.uniform(0.7, 0.8))
        first, second = (
            _thing(rng, name, x, rng.uniform(0.85, 1.05))
            for name, x in zip(names, spots, strict=True)
        )
        return (first, second)
    count = rng.choice((2, 3))
    model = _thing(rng, names[0], 0.5, rng.uniform(0.75, 0.9) if count == 2 else 0.68)
    xs = (0.27, 0.73) if count == 2 else (0.19, 0.5, 0.81)
    return tuple(
        Thing(
            model.kind,
            model.colour,
            model.second,
            x + rng.uniform(-0.02, 0.02),
            model.base,
            model.scale,
        )
        for x in xs
    )


def _thing(rng: Random, name: str, x: float, scale: float) -> Thing:
    kind = KINDS[name]
    colour = rng.choice(kind.colours)
    seconds = [c for c in kind.seconds if c != colour or len(set(kind.seconds)) == 1]
    base = STANDING + rng.uniform(-0.02, 0.04)
    if name == "boat":
        base = HORIZON + rng.uniform(0.12, 0.18)
    elif name == "balloon":
        base = rng.uniform(0.42, 0.5)
    return Thing(name, colour, rng.choice(seconds) if seconds else None, x, base, scale)
