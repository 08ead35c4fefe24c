"""Inpainting in pixels: masks as they are read, the part that is seen, and what is laid back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from PIL import Image, ImageDraw

from sdcli.errors import UsageError
from sdcli.images.masks import blurred, box_around, filled, parse_margins, parse_rectangle
from sdcli.request import GenerationRequest
from sdcli.request.infotext import read_text, to_values, write_text
from sdcli.request.pictures import open_patch, sized

RECTANGLE = {"mask_rect": "16,16,32,32"}


@pytest.fixture
def picture() -> str:
    """in.png, 128 by 64 pixels of noise."""
    levels = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)
    Image.fromarray(levels).save("in.png")
    return "in.png"


def request(**changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 1, "init_img": "in.png"} | RECTANGLE
    return sized(GenerationRequest(**(values | changes)))


def said(*_: str) -> None:
    """Nobody listens."""


def covered(image: Image.Image) -> tuple[int, int, int, int] | None:
    return image.point(lambda level: 255 if level > 127 else 0).getbbox()


def test_white_is_made_anew_and_the_rest_stays_to_the_last_bit(picture: str) -> None:
    patch = open_patch(request(), said)
    made = patch.laid(Image.new("RGB", (128, 64), "red"))
    new, old = np.asarray(made), np.asarray(Image.open(picture))
    reach = 10  # of the blur: 2.5 · 4
    far = np.ones((64, 128), bool)
    far[16 - reach : 48 + reach, 16 - reach : 48 + reach] = False
    assert np.array_equal(new[far], old[far])
    assert (new[20:44, 20:44] == (255, 0, 0)).all()


def test_a_masks_file_its_inverse_and_rectangles_together(picture: str) -> None:
    drawn = Image.new("L", (128, 64))
    ImageDraw.Draw(drawn).rectangle((64, 8, 95, 31), fill=255)
    drawn.save("mask.png")
    patch = open_patch(request(mask="mask.png", mask_rect=(), mask_blur=0), said)
    assert covered(patch.mask) == (64, 8, 96, 32)
    both = open_patch(request(mask="mask.png", mask_blur=0), said)
    assert covered(both.mask) == (16, 8, 96, 48)
    inverse = open_patch(request(mask="mask.png", mask_rect=(), invert_mask=True), said)
    assert covered(inverse.mask) == (0, 0, 128, 64)
    assert inverse.mask.getpixel((80, 20)) == 0


@pytest.mark.parametrize("soft", [False, True])
def test_what_is_transparent_can_be_the_mask(soft: bool) -> None:
    image = Image.new("RGBA", (64, 64), (10, 20, 30, 255))
    image.paste((10, 20, 30, 100), (0, 0, 16, 64))
    image.paste((10, 20, 30, 140), (16, 0, 32, 64))
    image.save("in.png")
    wanted = request(mask="alpha", mask_rect=(), mask_blur=0, soft_mask=soft)
    levels = np.asarray(open_patch(wanted, said).mask)[5, ::8]
    expected = [155, 155, 115, 115] if soft else [255, 255, 0, 0]
    assert levels.tolist() == [*expected, 0, 0, 0, 0]


def test_a_mask_of_another_size_is_resized_and_said(picture: str) -> None:
    Image.new("L", (32, 16), 255).save("mask.png")
    told: list[str] = []
    patch = open_patch(request(mask="mask.png", mask_rect=()), told.append)
    assert covered(patch.mask) == (0, 0, 128, 64)
    [message] = told
    assert "32x16" in message
    assert "128x64" in message


def test_a_mask_is_laid_on_upright(picture: str) -> None:
    image, mask = Image.new("RGB", (64, 128), "red"), Image.new("L", (64, 128))
    mask.paste(255, (0, 0, 64, 32))
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    for page, name in ((image, "in.jpg"), (mask, "mask.jpg")):
        page.save(name, exif=turned)
    wanted = request(init_img="in.jpg", mask="mask.jpg", mask_rect=(), mask_blur=0)
    patch = open_patch(wanted, said)
    assert patch.image.size == (128, 64)
    assert covered(patch.mask) == (96, 0, 128, 64)


def test_a_size_that_no_model_takes_is_said(picture: str) -> None:
    Image.new("RGB", (100, 70), "red").save("in.png")
    told: list[str] = []
    wanted = GenerationRequest(prompt="a", seed=1, init_img="in.png", mask_rect="0,0,32,32")
    sized(wanted, told.append)
    [message] = told
    assert "100x70 pixels become 96x64" in message
    sized(wanted.model_copy(update={"width": 64, "height": 64}), told.append)
    assert len(told) == 1


def test_an_image_of_a_masks_size_is_a_mask_whatever_its_mode(picture: str) -> None:
    levels = np.zeros((64, 128), np.uint16)
    levels[:, 64:] = 65535
    for mode in ("L", "P", "1", "RGB", "RGBA", "I;16"):
        page = Image.fromarray(levels) if mode == "I;16" else Image.new("L", (128, 64))
        if mode != "I;16":
            page.paste(255, (64, 0, 128, 64))
            page = page.convert(mode)
        page.save("mask.png")
        patch = open_patch(request(mask="mask.png", mask_rect=(), mask_blur=0), said)
        assert covered(patch.mask) == (64, 0, 128, 64), mode


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mask": "black.png", "mask_rect": ()}, "the mask is empty"),
        ({"mask_rect": "0,0,128,64", "invert_mask": True}, "the mask is empty"),
        ({"mask": "alpha"}, "nothing is transparent"),
        ({"mask_rect": "16,16,8,8"}, "too small"),
        ({"mask": "missing.png"}, "cannot read"),
        ({"mask": "text.png"}, "not a readable PNG"),
        ({"mask": "."}, "cannot read"),
        ({"mask_rect": "128,0,8,8"}, "outside the picture"),
    ],
)
def test_a_mask_that_is_none_is_told(picture: str, values: dict[str, Any], message: str) -> None:
    Image.new("L", (128, 64)).save("black.png")
    Path("text.png").write_text("hello")
    with pytest.raises(UsageError, match=message):
        open_patch(request(**values), said)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"init_img": None}, "no picture to start from"),
        ({"mask_rect": (), "mask_blur": 3}, "there is no mask"),
        ({"mask_rect": (), "inpaint_area": "masked"}, "there is no mask"),
        ({"invert": True, "sampler": "DDIM"}, "remakes the whole picture"),
        ({"resize_mode": "latent"}, "latents keep no pixels"),
        ({"padding": 8}, "sees the whole picture"),
        ({"resize_mode": "crop", "inpaint_area": "masked"}, "the mask's surroundings"),
        (
            {"inpaint_method": "repaint", "prompt": "[a:b:15]", "steps": 30},
            "so prompts cannot change at one",
        ),
        ({"repaint_jump": 5}, "works only with --inpaint-method repaint"),
        ({"inpaint_method": "repaint", "sampler": "DPM++ SDE"}, "cannot go back"),
        ({"inpaint_method": "repaint", "prompt": "[a:b:3]"}, "so prompts cannot change at one"),
        ({"mask_rect": "1,2,3"}, "not a rectangle"),
        ({"mask_rect": "1,2,0,3"}, "is empty"),
        ({"outpaint": "middle=3"}, "names no sides"),
        ({"outpaint": "left=3;top=2"}, "names no sides"),
        ({"outpaint": "left=0"}, "names no sides"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(values: dict[str, Any], message: str) -> None:
    base = {"prompt": "a fox", "seed": 1, "init_img": "in.png"} | RECTANGLE
    with pytest.raises(ValueError, match=message):
        GenerationRequest(**(base | values))


def test_blur_is_a_gaussian_of_that_width() -> None:
    page = Image.new("L", (101, 101))
    page.paste(255, (50, 0, 101, 101))
    levels = np.asarray(blurred(page, 4), float)
    assert np.ptp(levels, axis=0).max() == 0
    row = levels[50]
    slope = np.diff(row)
    middle = 49  # between columns 49 and 50
    places = np.arange(100) - middle
    assert abs((slope * places).sum() / slope.sum()) < 0.05
    assert (slope * places**2).sum() / slope.sum() == pytest.approx(16, rel=0.1)
    assert np.flatnonzero(slope).min() >= middle - 10
    assert np.flatnonzero(slope).max() <= middle + 10
    assert blurred(page, 0) is page


@pytest.mark.parametrize(
    ("bounds", "size", "padding", "box"),
    [
        ((40, 40, 60, 60), (64, 64), 0, (40, 40, 60, 60)),
        ((40, 40, 60, 60), (64, 64), 10, (30, 30, 70, 70)),
        ((40, 40, 60, 60), (128, 64), 10, (10, 30, 90, 70)),
        ((40, 40, 60, 60), (64, 128), 10, (30, 10, 70, 90)),
        ((0, 40, 10, 60), (64, 64), 0, (0, 40, 20, 60)),
        ((190, 90, 200, 100), (64, 64), 30, (160, 60, 200, 100)),
        ((0, 0, 200, 20), (64, 64), 0, (0, 0, 200, 100)),
    ],
)
def test_the_model_sees_the_mask_its_surroundings_and_its_own_proportions(
    bounds: tuple[int, int, int, int],
    size: tuple[int, int],
    padding: int,
    box: tuple[int, int, int, int],
) -> None:
    page = Image.new("L", (200, 100))
    page.paste(255, bounds)
    assert box_around(page, size, padding=padding) == box


def test_only_the_masked_area_is_seen_and_goes_back_to_its_place(picture: str) -> None:
    wanted = request(inpaint_area="masked", padding=8, width=64, height=64, mask_blur=0)
    patch = open_patch(wanted, said)
    assert patch.image.size == patch.mask.size == (64, 64)
    assert patch.box == (8, 8, 56, 56)
    made = np.asarray(patch.laid(Image.new("RGB", (64, 64), "red")))
    old = np.array(Image.open(picture))
    assert made.shape == (64, 128, 3)
    old[16:48, 16:48] = (255, 0, 0)
    assert np.array_equal(made, old)


def test_filling_makes_the_covered_part_of_its_surroundings() -> None:
    image = Image.new("RGB", (96, 96), (200, 30, 30))
    image.paste((0, 0, 255), (32, 32, 64, 64))
    mask = Image.new("L", (96, 96))
    mask.paste(255, (30, 30, 66, 66))
    found = np.asarray(filled(image, mask), int)
    assert abs(found - (200, 30, 30)).max() <= 8


def test_a_page_grows_by_the_margins_and_stretches_the_edges(picture: str) -> None:
    wanted = request(mask_rect=(), outpaint="left=32,bottom=16", mask_blur=0)
    assert (wanted.width, wanted.height) == (160, 80)
    patch = open_patch(wanted, said)
    old, page = np.asarray(Image.open(picture)), np.asarray(patch.image)
    assert np.array_equal(page[:64, 32:], old)
    assert np.array_equal(page[:64, 7], old[:, 0])
    assert np.array_equal(page[79, 32:], old[-1])
    levels = np.asarray(patch.mask)
    assert (levels[:64, 32:] == 0).all()
    assert (levels[:, :32] == 255).all()
    assert (levels[64:] == 255).all()


@pytest.mark.parametrize("text", ["1,2,3,4", " 10, 20 ,30,40 "])
def test_a_rectangle_reads_back(text: str) -> None:
    found = parse_rectangle(text)
    assert parse_rectangle(str(found)) == found


@pytest.mark.parametrize("text", ["left=64,top=32", "Bottom = 8", "top=1,left=2,right=3,bottom=4"])
def test_margins_read_back(text: str) -> None:
    found = parse_margins(text)
    assert parse_margins(str(found)) == found


def test_the_text_has_a1111s_keys(picture: str) -> None:
    wanted = request(invert_mask=True, inpaint_fill="noise", inpaint_area="masked")
    text = write_text(wanted)
    for item in (
        *("Mask blur: 4", "Mask mode: Inpaint not masked", "Masked content: latent noise"),
        *("Inpaint area: Only masked", "Masked area padding: 32"),
    ):
        assert item in text
    values, rest = to_values(read_text(text))
    assert rest == {}
    again = GenerationRequest(**values)
    assert again.model_dump(exclude={"strength"}) == wanted.model_dump(exclude={"strength"})


def test_a1111s_own_text_names_no_mask_and_is_read_all_the_same() -> None:
    text = "a fox\nSteps: 20, Sampler: Euler, Seed: 1, Mask blur: 4, Inpaint area: Only masked"
    values, rest = to_values(read_text(text + ", Version: v1.10.1"))
    assert rest == {"Mask blur": "4", "Inpaint area": "Only masked"}
    GenerationRequest(**values)


def test_gen_takes_it(sdcli: Any, engine: FakeEngine, picture: str) -> None:
    rectangles = ("--mask-rect", "0,0,8,8", "--mask-rect", "8,8,8,8")
    result = sdcli("gen", "a fox", "-i", "in.png", *rectangles, "--mask-blur", "2", "-o", "b.png")
    assert result.code == 0
    [made] = engine.made
    assert [str(each) for each in made.mask_rect] == ["0,0,8,8", "8,8,8,8"]
    assert 'Mask rectangles: "0,0,8,8; 8,8,8,8"' in sdcli("info", "b.png").out


def test_an_empty_mask_is_told_before_anything_is_loaded(
    sdcli: Any, engine: FakeEngine, picture: str
) -> None:
    Image.new("L", (128, 64)).save("black.png")
    result = sdcli("gen", "a fox", "-i", "in.png", "--mask", "black.png")
    assert (result.code, result.lines, engine.batches) == (2, [], [])
    assert "the mask is empty" in result.err
