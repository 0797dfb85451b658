"""Margins are cut off, text and noise do not hold them in place, and grey values are the same however bright."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.datasets.decoding import DecodedImage, Target, decode
from pipeline.datasets.standardisation import even_out, head_box


def decoded(data: bytes, px: int, *, standardise: bool) -> DecodedImage:
    return decode(data, Target(px, px, 1, standardise=standardise))


HEAD = (150, 60, 350, 360)  # left, top, right, bottom in a picture of 500 x 400 px


def head(scale: float = 1.0, background: int = 0) -> Image.Image:
    """Draw a bright skull around a darker brain with a bright spot, 500 x 400 px."""
    image = Image.new("L", (500, 400), background)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = HEAD
    draw.ellipse(HEAD, fill=int(220 * scale))
    draw.ellipse((left + 15, top + 15, right - 15, bottom - 15), fill=int(90 * scale))
    draw.ellipse((200, 120, 240, 160), fill=int(180 * scale))
    return image


def with_noise(image: Image.Image, sd: float) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, sd, (image.height, image.width))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def with_text(image: Image.Image) -> Image.Image:
    ImageDraw.Draw(image).text((5, 5), "R  2019-01-01", fill=255)
    ImageDraw.Draw(image).text((420, 380), "SE 4 IM 12", fill=255)
    return image


def stored(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


MARGINS = {
    "black": head(),
    "dark": head(0.3),
    "grey background": head(background=40),
    "noise": with_noise(head(), 8),
    "text": with_text(head()),
    "noise and text": with_text(with_noise(head(), 8)),
}


@pytest.mark.parametrize("case", MARGINS)
def test_the_box_is_that_of_the_head(case):
    box = head_box(MARGINS[case])
    margins = [outside - inside for outside, inside in zip(box, HEAD, strict=True)]
    assert -14 <= margins[0] <= 0, margins  # 2 % of the side, and at most two cells of 4 pixels
    assert -14 <= margins[1] <= 0, margins
    assert 0 <= margins[2] <= 14, margins
    assert 0 <= margins[3] <= 14, margins


def test_a_picture_without_margins_is_whole():
    assert head_box(head().crop(HEAD)) == (0, 0, 200, 300)
    filled = Image.fromarray(np.random.default_rng(0).integers(60, 256, (90, 70), np.uint8))
    assert head_box(filled) == (0, 0, 70, 90)


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_uniform_picture_is_unchanged(level):
    image = Image.new("L", (300, 200), level)
    assert head_box(image) == (0, 0, 300, 200)
    picture = decoded(stored(image), 32, standardise=True)
    assert (picture.pixels == level).all()
    assert not picture.cropped


def test_one_bright_pixel_is_no_head():
    image = Image.new("L", (64, 64))
    image.putpixel((3, 60), 255)
    assert head_box(image) == (0, 0, 64, 64)


def test_brightness_and_contrast_of_the_source_make_no_difference():
    bright = even_out(np.asarray(head()))
    for other in (head(0.5), head(0.8)):
        assert np.abs(bright.astype(int) - even_out(np.asarray(other))).max() <= 3
    above = np.asarray(head()) > 33
    assert np.median(bright[above]) == pytest.approx(0.4 * 255, abs=1)
    assert (bright.min(), bright.max()) == (0, 255)


def test_the_order_of_grey_values_is_kept():
    ramp = np.arange(256, dtype=np.uint8)
    assert (np.diff(even_out(ramp).astype(int)) >= 0).all()


def test_margins_make_no_difference_to_the_prepared_picture():
    """The same head with less, more and other margins, in every kind of file."""
    reference = decoded(stored(head()), 64, standardise=True)
    wider = Image.new("L", (800, 900))
    wider.paste(head(0.6), (200, 400))
    for kind in ("PNG", "JPEG", "TIFF"):
        other = decoded(stored(wider, kind), 64, standardise=True)
        assert np.abs(reference.pixels.astype(int) - other.pixels).mean() < 8  # the edge of the skull, a pixel off
        assert (reference.cropped, other.cropped) == (True, True)
        assert (other.width, other.height) == (800, 900)


def test_16_bits_are_standardised_alike():
    deep = Image.fromarray(np.asarray(head(), np.uint16) * 257)
    of_deep, of_grey = (decoded(stored(image), 32, standardise=True) for image in (deep, head()))
    assert of_deep.mode == "I;16"
    assert np.abs(of_deep.pixels.astype(int) - of_grey.pixels).max() <= 2  # 220 became 255 before they were evened out


def test_copies_are_sought_in_the_picture_as_published():
    data = stored(head(), "JPEG")
    plain, standardised = (decoded(data, 64, standardise=flag) for flag in (False, True))
    assert (plain.compared == standardised.compared).all()
    assert (plain.pixels == plain.compared).all()
    assert (plain.pixels != standardised.pixels).any()
    assert not plain.cropped
