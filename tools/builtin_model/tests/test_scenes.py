"""The drawn training scenes: reproducible, told apart, and truthfully captioned."""

import itertools
from random import Random

import pytest

from tools.builtin_model.captions import caption, sentence
from tools.builtin_model.landscapes import TERRAINS, TIMES, WEATHERS, Landscape
from tools.builtin_model.palette import COLOURS, SYNONYMS, contrasting, distance
from tools.builtin_model.scenes import (
    HELD_OUT_SHARE,
    draw,
    invent,
    is_held_out,
    training_caption,
)
from tools.builtin_model.shape_captions import SHAPE_WORDS
from tools.builtin_model.shapes import SHAPES, SIZES, Backdrop, Figure, ShapeScene
from tools.builtin_model.things import KINDS
from tools.builtin_model.wording import NUMBERS

SAMPLE = range(600)
SHAPE_SCENES = [scene for n in SAMPLE if isinstance(scene := invent(n), ShapeScene)]
LANDSCAPES = [scene for n in SAMPLE if isinstance(scene := invent(n), Landscape)]


def words(text: str) -> set[str]:
    """The words of a sentence, without its punctuation."""
    return set(text.replace(",", " ").split())


def alone(shape: str, colour: str = "red") -> ShapeScene:
    """One figure in the middle of a white page."""
    figure = Figure(shape, colour, "large", 0.5, 0.5, SIZES["large"])
    return ShapeScene((figure,), Backdrop("white"), place=("", ""))


@pytest.mark.parametrize("number", [0, 1, 2, 3, 9, 41])
def test_a_number_always_gives_the_same_scene_and_picture(number: int) -> None:
    assert invent(number) == invent(number)
    assert draw(invent(number)).tobytes() == draw(invent(number)).tobytes()
    assert caption(invent(number), Random(5)) == caption(invent(number), Random(5))


def test_pictures_have_the_models_native_size() -> None:
    assert {(draw(invent(n)).size, draw(invent(n)).mode) for n in range(4)} == {((128, 128), "RGB")}


def test_there_is_enough_to_say() -> None:
    assert len(COLOURS) >= 12
    assert len(SHAPES) >= 8
    assert len(SIZES) == 3
    assert len(KINDS) >= 6


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(COLOURS, 2)))
def test_no_two_colours_look_alike(one: str, other: str) -> None:
    assert distance(one, other) > 60


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_has_others_that_stand_out_against_it(colour: str) -> None:
    assert len(contrasting(colour)) >= 5


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SHAPES, 2)))
def test_no_two_shapes_look_alike(one: str, other: str) -> None:
    first, second = (draw(alone(shape)).convert("L") for shape in (one, other))
    pairs = zip(first.tobytes(), second.tobytes(), strict=True)
    assert sum(abs(a - b) > 60 for a, b in pairs) > 300


@pytest.mark.parametrize("colour", [name for name in COLOURS if name != "white"])
def test_a_figure_is_painted_in_the_colour_of_its_caption(colour: str) -> None:
    scene = alone("square", colour)
    assert draw(scene).getpixel((64, 64)) == COLOURS[colour]
    assert draw(scene).getpixel((4, 4)) == COLOURS["white"]
    assert f" {colour} square " in sentence(scene)


def test_captions_of_shapes_name_only_what_is_drawn() -> None:
    names = {word for colour in COLOURS for word in SYNONYMS.get(colour, (colour,))} | set(COLOURS)
    for number, scene in enumerate(SHAPE_SCENES):
        drawn = [*(f.colour for f in scene.figures), *scene.backdrop.colours]
        allowed = {
            w for colour in drawn for s in SYNONYMS.get(colour, (colour,)) for w in s.split()
        }
        shapes = {
            word
            for figure in scene.figures
            for name in SHAPE_WORDS.get(figure.shape, (figure.shape,))
            for word in (*name.split(), f"{name}s", f"{name}es", *f"{name}s".split())
        }
        every = {w for shape in SHAPES for w in (shape, f"{shape}s")}
        said = words(caption(scene, Random(number)))
        assert said & names <= allowed
        assert said & every <= shapes


def test_captions_of_groups_count_what_is_drawn() -> None:
    groups = [s for s in SHAPE_SCENES if len(s.figures) > 1 and s.relation is None]
    assert {len(scene.figures) for scene in groups} == {2, 3, 4}
    for number, scene in enumerate(groups):
        assert words(caption(scene, Random(number))) & set(NUMBERS[len(scene.figures)])


def test_relations_hold_in_the_drawing() -> None:
    pairs = [scene for scene in SHAPE_SCENES if scene.relation is not None]
    assert {scene.relation for scene in pairs} == {"left of", "above", "inside"}
    for scene in pairs:
        first, second = scene.figures
        if scene.relation == "left of":
            assert first.x + first.radius < second.x
        elif scene.relation == "above":
            assert first.y + first.radius < second.y
        else:
            assert abs(first.x - second.x) + first.radius < second.radius


def test_figures_stay_on_the_page() -> None:
    for figure in (figure for scene in SHAPE_SCENES for figure in scene.figures):
        assert figure.radius < figure.x < 1 - figure.radius
        assert figure.radius < figure.y < 1 - figure.radius


def test_landscapes_cover_every_time_weather_and_terrain() -> None:
    assert {scene.time for scene in LANDSCAPES} == set(TIMES)
    assert {scene.weather for scene in LANDSCAPES} == set(WEATHERS)
    assert {scene.terrain for scene in LANDSCAPES} == set(TERRAINS)
    assert {thing.kind for scene in LANDSCAPES for thing in scene.things} == set(KINDS)


def test_things_are_where_they_can_be() -> None:
    for scene in LANDSCAPES:
        for thing in scene.things:
            assert scene.terrain in KINDS[thing.kind].terrains
            assert scene.weather in KINDS[thing.kind].weathers


def test_captions_of_landscapes_name_only_their_own_things_and_time() -> None:
    kinds = {"house", "boat", "lighthouse", "tent", "balloon", "castle", "cactus", "snowman", "car"}
    moments = {"sunset": "sunset", "dusk": "sunset", "night": "night", "midnight": "night"}
    moments |= {"dawn": "dawn", "sunrise": "dawn", "noon": "day", "daylight": "day"}
    for number, scene in enumerate(LANDSCAPES):
        said = words(caption(scene, Random(number)))
        assert said & kinds <= {thing.kind for thing in scene.things}
        assert all(moments[word] == scene.time for word in said & set(moments))
        if said & {"snow", "snows", "snowy", "winter"}:
            assert scene.weather == "snow"
        if said & {"rain", "rains", "rainy"}:
            assert scene.weather == "rain"


def test_a_night_is_darker_than_a_day() -> None:
    def brightness(time: str) -> float:
        chosen = [s for s in LANDSCAPES if s.time == time and s.weather == "clear"][:8]
        pixels = [value for scene in chosen for value in draw(scene).convert("L").tobytes()]
        return sum(pixels) / len(pixels)

    assert brightness("night") < 0.5 * brightness("day")


def test_one_scene_has_many_captions() -> None:
    for scene in (SHAPE_SCENES[0], LANDSCAPES[0]):
        assert len({caption(scene, Random(n)) for n in range(60)}) > 15


def test_the_held_out_part_depends_on_the_sentence_alone() -> None:
    """Spacing and case do not move a sentence across the split."""
    texts = {sentence(invent(n)) for n in range(3000)}
    share = sum(map(is_held_out, texts)) / len(texts)
    assert share == pytest.approx(HELD_OUT_SHARE, abs=0.02)
    assert all(is_held_out(text) == is_held_out(f"  {text.upper()} ") for text in list(texts)[:50])


def test_training_never_says_a_held_out_sentence() -> None:
    rng = Random(3)
    assert not any(is_held_out(training_caption(invent(n), rng)) for n in range(400))
