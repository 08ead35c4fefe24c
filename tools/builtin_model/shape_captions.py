"""Phrases about figures on a page. Without a generator each gives its canonical wording."""

from random import Random

from .shapes import Backdrop, Figure, ShapeScene
from .wording import NUMBERS, article, join, plural, said

SIZE_WORDS = {"small": ("small", "little", "tiny"), "medium": ("",), "large": ("large", "big")}
SHAPE_WORDS = {"circle": ("circle", "disc"), "cross": ("cross", "plus sign")}


def canonical(scene: ShapeScene) -> str:
    """Everything nameable about the scene."""
    place = _place(scene.place) if scene.place else ""
    return join(_figures(scene), place, f"on {_backdrop(scene.backdrop)}")


def _noun(figure: Figure, rng: Random | None, *, sized: bool = True) -> str:
    size = shape = ""
    if sized:
        size = rng.choice(SIZE_WORDS[figure.size]) if rng else SIZE_WORDS[figure.size][0]
    names = SHAPE_WORDS.get(figure.shape, (figure.shape,))
    # The plain name stays the usual one.
    shape = rng.choice((names[0], names[0], names[-1])) if rng else names[0]
    return join(size, said(figure.colour, rng), shape)


def _figures(scene: ShapeScene) -> str:
    first, *rest = scene.figures
    if not rest:
        return article(_noun(first, None))
    if scene.relation is None:
        return f"{NUMBERS[len(scene.figures)][0]} {plural(_noun(first, None))}"
    link = "to the left of" if scene.relation == "left of" else scene.relation
    return f"{article(_noun(first, None))} {link} {article(_noun(rest[0], None))}"


def _backdrop(backdrop: Backdrop, rng: Random | None = None) -> str:
    first = said(backdrop.colour, rng)
    if backdrop.second is None:
        return f"{article(first)} background"
    second = said(backdrop.second, rng)
    if rng is None:
        return f"a background fading from {first} to {second}"
    return rng.choice(
        (
            f"a background fading from {first} to {second}",
            f"a gradient from {first} to {second}",
            f"{article(first)} to {second} gradient",
            f"{article(first)} and {second} background",
        )
    )


def _place(place: tuple[str, str], rng: Random | None = None) -> str:
    row, column = place
    if row and column:
        return (
            f"in the {row} {column} corner"
            if rng is None
            else rng.choice(
                (
                    f"in the {row} {column} corner",
                    f"in the {row} {column}",
                    f"at the {row} {column}",
                )
            )
        )
    if row:
        return f"at the {row}"
    if column:
        return f"on the {column}"
    return "in the middle" if rng is None else rng.choice(("in the middle", "in the center"))


def described(scene: ShapeScene, rng: Random) -> str:
    """A random true sentence, complete or not."""
    if scene.relation is not None:
        what = _pair(scene, rng)
    elif len(scene.figures) > 1:
        noun = plural(_noun(scene.figures[0], rng, sized=rng.random() < 0.3))
        what = f"{rng.choice(NUMBERS[len(scene.figures)])} {noun}"
    else:
        what = article(_noun(scene.figures[0], rng, sized=rng.random() < 0.6))
        centred = scene.place == ("", "")
        if scene.place is not None and rng.random() < (0.15 if centred else 0.75):
            what = join(what, _place(scene.place, rng))
    # A white page is what people mean when they name no background.
    if rng.random() < (0.55 if scene.backdrop.colours == ("white",) else 0.15):
        return what
    ground = _backdrop(scene.backdrop, rng)
    plain = scene.backdrop.second is None
    forms = [f"{what} on {ground}", f"{what} on {ground}", f"{what} with {ground}"]
    forms.append(f"on {ground}, {what}")
    forms.append(f"{what}, {ground.split(' ', 1)[1]}")
    if plain:
        forms.append(f"{what} on {said(scene.backdrop.colour, rng)}")
    return rng.choice(forms)


def _pair(scene: ShapeScene, rng: Random) -> str:
    sized = rng.random() < 0.3
    one, two = (article(_noun(figure, rng, sized=sized)) for figure in scene.figures)
    if rng.random() < 0.12:
        return f"{one} and {two}" if rng.random() < 0.5 else f"{two} and {one}"
    forms: tuple[str, ...]
    if scene.relation == "left of":
        forms = (
            f"{one} to the left of {two}",
            f"{one} to the left of {two}",
            f"{one} left of {two}",
            f"{two} to the right of {one}",
            f"{two} right of {one}",
            f"{one} on the left and {two} on the right",
        )
    elif scene.relation == "above":
        forms = (
            f"{one} above {two}",
            f"{one} above {two}",
            f"{one} over {two}",
            f"{two} below {one}",
            f"{two} under {one}",
            f"{one} at the top and {two} at the bottom",
        )
    else:
        forms = (
            f"{one} inside {two}",
            f"{one} inside {two}",
            f"{one} in {two}",
            f"{two} around {one}",
            f"{two} with {one} inside",
        )
    return rng.choice(forms)
