"""Phrases about landscapes. Without a generator each gives its canonical wording."""

from random import Random

from .landscapes import Landscape
from .things import Thing
from .wording import NUMBERS, article, join, plural, said

TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "during the day", "in daylight", "at noon"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening"),
    "night": ("at night", "at night", "in the night", "at midnight"),
    "dawn": ("at dawn", "at sunrise", "in the early morning"),
}
TIME_NOUNS = {"day": "day", "sunset": "evening", "night": "night", "dawn": "morning"}
WEATHER_PHRASES: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "in clear weather"),
    "clouds": ("under a cloudy sky", "with clouds in the sky"),
    "rain": ("in the rain", "in the rain", "while it rains"),
    "snow": ("in the snow", "in the snow", "while it snows", "in winter"),
    "fog": ("in the fog", "in the mist"),
}
WEATHER_ADJECTIVES = {
    "clear": "clear", "clouds": "cloudy", "rain": "rainy", "snow": "snowy", "fog": "foggy",
}  # fmt: skip
PLACES: dict[str, tuple[str, ...]] = {
    "mountains": ("in the mountains", "in front of mountains", "with mountains behind"),
    "sea": ("by the sea", "by the sea", "by the ocean", "at the beach"),
    "hills": ("in the hills", "on the hills"),
    "desert": ("in the desert", "among sand dunes"),
    "field": ("in a field", "in a meadow"),
    "forest": ("in the forest", "in the woods", "in front of a forest"),
}
TERRAIN_NOUNS: dict[str, tuple[str, ...]] = {
    "mountains": ("mountains", "a mountain landscape"),
    "sea": ("the sea", "the ocean", "a beach", "a sea landscape"),
    "hills": ("hills", "rolling hills"),
    "desert": ("a desert", "the desert", "sand dunes", "a desert landscape"),
    "field": ("a field", "a meadow"),
    "forest": ("a forest", "the woods", "a forest landscape"),
}
DISCS = {
    "day": ("with the sun in the sky", "under the sun"),
    "sunset": ("with a setting sun", "with the sun in the sky"),
    "night": ("with a full moon", "under the moon", "with the moon in the sky"),
    "dawn": ("with a rising sun", "with the sun in the sky"),
}


def canonical(scene: Landscape) -> str:
    """Everything nameable about the scene."""
    weather = WEATHER_PHRASES[scene.weather][0]
    where = PLACES[scene.terrain][0] if scene.things else ""
    what = _things(scene.things) if scene.things else TERRAIN_NOUNS[scene.terrain][0]
    disc = DISCS[scene.time][0] if scene.disc else ""
    return join(what, where, TIME_PHRASES[scene.time][0], weather, disc)


def _thing(thing: Thing, rng: Random | None, *, full: bool = True) -> str:
    """A thing without its article: "red tent", "blue house with a red roof"."""
    colour, second = said(thing.colour, rng), said(thing.second or "", rng)
    if thing.kind in ("house", "castle"):
        roof = f"with {article(second)} roof"
        return f"{colour} {thing.kind} {roof}" if full else f"{colour} {thing.kind}"
    if thing.kind == "cabin":
        name = "cabin" if rng is None else rng.choice(("cabin", "wooden cabin", "log cabin"))
        return f"{name} with {article(second)} roof" if full else name
    if thing.kind == "boat":
        name = "boat" if rng is None else rng.choice(("boat", "boat", "sailing boat"))
        return f"{colour} {name} with {article(second)} sail" if full else f"{colour} {name}"
    if thing.kind == "lighthouse":
        if rng is not None and rng.random() < 0.4:
            return f"{colour} lighthouse"
        return f"{colour} and white lighthouse"
    if thing.kind == "balloon":
        name = "hot air balloon" if rng is None else rng.choice(("hot air balloon", "balloon"))
        return f"{colour} {name}"
    if thing.kind == "snowman":
        return f"snowman with {article(second)} scarf" if full else "snowman"
    if thing.kind in ("pine tree", "cactus"):
        return thing.kind
    return f"{colour} {thing.kind}"


def _bare(thing: Thing) -> str:
    return thing.kind


def _named(thing: Thing, rng: Random) -> str:
    """One thing with its article, in more or less detail."""
    if rng.random() < 0.3:
        return article(_bare(thing))
    return article(_thing(thing, rng, full=rng.random() < 0.6))


def _things(things: tuple[Thing, ...], rng: Random | None = None) -> str:
    first = things[0]
    if len(things) > 1 and things[1].kind == first.kind:
        bare = rng is not None and rng.random() < 0.3
        noun = _bare(first) if bare else _thing(first, rng, full=False)
        number = NUMBERS[len(things)]
        return f"{rng.choice(number) if rng else number[0]} {plural(noun)}"
    if rng is None:
        return " and ".join(article(_thing(thing, None)) for thing in things)
    named = [_named(thing, rng) for thing in things]
    if len(named) == 1:
        return named[0]
    one, two = named
    return rng.choice(
        (
            f"{one} and {two}",
            f"{two} and {one}",
            f"{one} next to {two}",
            f"{two} beside {one}",
            f"{one} to the left of {two}",
            f"{two} to the right of {one}",
        )
    )


def described(scene: Landscape, rng: Random) -> str:
    """A random true sentence, complete or not."""
    when = rng.choice(TIME_PHRASES[scene.time])
    weather = rng.choice(WEATHER_PHRASES[scene.weather])
    # Plain daylight and a clear sky mostly go without saying.
    conditions = []
    if rng.random() < (0.5 if scene.time == "day" else 0.9):
        conditions.append(when)
    if rng.random() < (0.15 if scene.weather == "clear" else 0.9):
        conditions.append(weather)
    if len(conditions) == 2 and rng.random() < 0.4:
        moment = f"{WEATHER_ADJECTIVES[scene.weather]} {TIME_NOUNS[scene.time]}"
        conditions = [f"on {article(moment)}"]
    rng.shuffle(conditions)
    if scene.disc and rng.random() < 0.3:
        conditions.append(rng.choice(DISCS[scene.time]))
    if not scene.things:
        what = rng.choice(TERRAIN_NOUNS[scene.terrain])
        if scene.snowy and scene.terrain != "sea" and rng.random() < 0.3:
            what = _snowy(what)
        parts = [what]
    else:
        parts = [_things(scene.things, rng)]
        if rng.random() < 0.8:
            parts.append(rng.choice(PLACES[scene.terrain]))
    style = rng.random()
    if style < 0.1:
        return ", ".join([*parts, *conditions])
    if style < 0.2 and conditions:
        return f"{' '.join(conditions)}, {' '.join(parts)}"
    if style < 0.3 and len(parts) == 2:
        return join(parts[0], *conditions, parts[1])
    return join(*parts, *conditions)


def _snowy(noun: str) -> str:
    first, _, rest = noun.partition(" ")
    return f"{first} snowy {rest}" if first in ("a", "the") else f"snowy {noun}"
