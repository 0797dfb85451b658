"""Every file type and mode that occurs, and every one that only pretends to be a picture."""

import io
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.datasets.decoding import MAX_PIXELS, DecodedImage, Target, decode, scaled, white_of

RAMP = np.linspace(0, 255, 64).astype(np.uint8)[None, :].repeat(48, axis=0)  # (48, 64) from black to white


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(data: bytes, px: int) -> DecodedImage:
    """Decode to one channel, scaled to 8 bits as a data set of this one image would be."""
    picture = decode(data, Target(px, px, 1))
    return replace(picture, pixels=scaled(picture.pixels, white_of(picture.peak))) if picture.peak else picture


def ramp_after(data: bytes) -> np.ndarray:
    """(8,) mean of each column after resizing to 8 x 8."""
    return grey(data, 8).pixels[:, :, 0].astype(float).mean(axis=0)


EXPECTED = RAMP[0].reshape(8, 8).mean(axis=1)  # mean of 8 columns at a time

GREY = Image.fromarray(RAMP)
READABLE = {
    "L JPEG": (encode(GREY, "JPEG", quality=95), "L"),
    "L PNG": (encode(GREY, "PNG"), "L"),
    "L TIFF": (encode(GREY, "TIFF"), "L"),
    "RGB JPEG": (encode(GREY.convert("RGB"), "JPEG", quality=95), "RGB"),
    "RGB TIFF": (encode(GREY.convert("RGB"), "TIFF", compression="tiff_lzw"), "RGB"),
    "CMYK JPEG": (encode(GREY.convert("RGB").convert("CMYK"), "JPEG", quality=95), "CMYK"),
    "CMYK TIFF": (encode(GREY.convert("RGB").convert("CMYK"), "TIFF"), "CMYK"),
    "P PNG": (encode(GREY.convert("P", palette=Image.Palette.ADAPTIVE, colors=256), "PNG"), "P"),
    "opaque RGBA PNG": (encode(GREY.convert("RGBA"), "PNG"), "RGBA"),
    "16-bit PNG": (encode(Image.fromarray(RAMP.astype(np.uint16) * 257), "PNG"), "I;16"),
    "16-bit TIFF": (encode(Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF"), "I;16"),
    "12 of 16 bits PNG": (encode(Image.fromarray(RAMP.astype(np.uint16) * 16), "PNG"), "I;16"),
    "1-bit PNG": (encode(GREY.convert("1", dither=Image.Dither.NONE), "PNG"), "1"),
    "LA PNG": (encode(GREY.convert("LA"), "PNG"), "LA"),
    "WEBP": (encode(GREY, "WEBP", lossless=True), "RGB"),
    "GIF": (encode(GREY, "GIF"), "P"),
    "BMP": (encode(GREY, "BMP"), "L"),
    "progressive JPEG": (encode(GREY, "JPEG", quality=95, progressive=True), "L"),
}


@pytest.mark.parametrize("case", READABLE)
def test_every_mode_becomes_the_same_grey(case):
    data, mode = READABLE[case]
    picture = grey(data, 8)
    assert (picture.pixels.shape, picture.pixels.dtype) == ((8, 8, 1), np.uint8)
    assert (picture.format, picture.mode, picture.width, picture.height) == (case.split()[-1], mode, 64, 48)
    if mode == "1":
        assert picture.pixels[:, 0].max() == 0
        assert picture.pixels[:, -1].min() == 255
        return
    # triangle filter: exact inside, drawn towards the inside at the two edges
    assert np.abs(ramp_after(data) - EXPECTED)[1:-1].max() < 2.5
    assert np.abs(ramp_after(data) - EXPECTED).max() < 8


def test_colour_becomes_luma():
    for colour, luma in {(255, 0, 0): 76, (0, 255, 0): 150, (0, 0, 255): 29}.items():
        for kind in ("PNG", "JPEG"):
            pixels = grey(encode(Image.new("RGB", (40, 40), colour), kind), 4).pixels
            assert np.abs(pixels.astype(int) - luma).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_black(mode):
    image = Image.new("RGBA", (20, 10), (200, 200, 200, 255))
    image.paste((200, 200, 200, 0), (0, 0, 10, 10))  # invisible white on the left
    if mode == "LA":
        data = encode(image.convert("LA"), "PNG")
    elif mode == "P":
        palette = Image.fromarray(np.repeat([[0, 1]], 10, axis=1).repeat(10, axis=0).astype(np.uint8), "P")
        palette.putpalette([200] * 6)
        data = encode(palette, "PNG", transparency=0)
    else:
        data = encode(image, "PNG")
    pixels = grey(data, 2).pixels[:, :, 0]
    assert pixels[0, 0] < 60
    assert pixels[0, 1] > 140


def test_half_transparent_is_half_black():
    pixels = grey(encode(Image.new("RGBA", (4, 4), (200, 200, 200, 128)), "PNG"), 4).pixels
    assert np.abs(pixels.astype(int) - 100).max() <= 1


def test_orientation_is_applied():
    exif = Image.Exif()
    exif[0x112] = 3  # turned by 180 degrees
    data = encode(GREY, "JPEG", quality=95, exif=exif)
    assert np.all(np.diff(ramp_after(data)) < 0)


def test_shrunk_decoding_equals_full_decoding():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (24, 24), np.uint8)).resize((600, 600), Image.Resampling.BICUBIC)
    full = np.asarray(Image.open(io.BytesIO(encode(smooth, "PNG"))).resize((32, 32), Image.Resampling.BILINEAR))
    draft = grey(encode(smooth, "JPEG", quality=95), 32).pixels[:, :, 0]
    assert np.abs(full.astype(int) - draft).max() <= 4


def test_one_pixel():
    assert (grey(encode(Image.new("L", (1, 1), 7), "PNG"), 4).pixels == 7).all()


def png_header(width: int, height: int) -> bytes:
    """Encode a few bytes that claim a large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def animated(kind: str) -> bytes:
    return encode(GREY, kind, save_all=True, append_images=[GREY.rotate(180)])


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8))
JPEG = encode(NOISE, "JPEG")
REFUSED = {
    "empty": (b"", "empty or missing file"),
    "text": (b"this is no picture", "not a JPEG, PNG, TIFF, WEBP, GIF, BMP, DICOM, NIfTI file"),
    "ppm": (encode(GREY, "PPM"), "not a JPEG, PNG, TIFF, WEBP, GIF, BMP, DICOM, NIfTI file"),
    "eps": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "not a JPEG, PNG, TIFF, WEBP, GIF, BMP, DICOM, NIfTI file",
    ),
    "moving GIF": (animated("GIF"), "must hold one picture, got 2; keep one of them"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "cannot be decoded: image file is truncated"),
    "truncated PNG": (encode(NOISE, "PNG")[:1000], "cannot be decoded"),
    "truncated TIFF": (encode(GREY, "TIFF")[:-200], "cannot be decoded"),
    "header only": (JPEG[:20], "not a JPEG, .* file|cannot be decoded"),
    "animated PNG": (animated("PNG"), "must hold one picture, got 2"),
    "several TIFF": (animated("TIFF"), "must hold one picture, got 2"),
    "float TIFF": (
        encode(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        "32-bit values do not define white; set `image.white`",
    ),
    "not finite": (encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), "do not define white"),
    "20,000 px": (png_header(20_000, 20_000), "decompression bomb"),
    "just above the limit": (png_header(MAX_PIXELS // 1000 + 1, 1000), "decompression bomb"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_reason(case):
    data, reason = REFUSED[case]
    with pytest.raises(DataError, match=reason):
        grey(data, 8)


def test_the_warning_about_bombs_is_an_error_outside_the_tests_too():
    code = (
        "import sys; from pipeline.datasets.decoding import Target, decode\n"
        "from pipeline.core.errors import DataError\n"
        "try: decode(sys.stdin.buffer.read(), Target(8, 8, 1))\n"
        "except DataError as error: print(error)"
    )
    data = png_header(MAX_PIXELS // 1000 + 1, 1000)
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert b"decompression bomb" in done.stdout
    assert done.stderr == b""


def test_float_values_have_the_white_of_the_data_set():
    data = encode(Image.fromarray(RAMP.astype(np.float32) * 10), "TIFF")
    picture = decode(data, Target(48, 64, 1, white=2550))
    assert np.array_equal(scaled(picture.pixels, 2550)[..., 0], RAMP)
    assert decode(encode(GREY, "PNG"), Target(48, 64, 1, white=2550)).pixels.max() == 255  # of 8 bits: white is 255


@pytest.mark.parametrize(("peak", "white"), [(1, 255), (255, 255), (900, 1023), (4000, 4095), (65535, 65535)])
def test_white_of_scans_in_16_bits(peak, white):
    assert white_of(peak) == white


def test_colour_is_recognised():
    red = Image.new("RGB", (20, 20), (200, 30, 30))
    target = Target(8, 8, None)
    assert decode(encode(red, "PNG"), target).coloured
    assert decode(encode(red, "JPEG"), target).pixels.shape == (8, 8, 3)
    assert not decode(encode(GREY.convert("RGB"), "JPEG"), target).coloured
    assert not decode(encode(GREY, "PNG"), target).coloured


@pytest.mark.parametrize(
    ("fit", "expected"),
    [("squash", [[200, 200], [200, 200]]), ("pad", [[0] * 4, [200] * 4, [200] * 4, [0] * 4]), ("crop", [[200, 200]])],
)
def test_ways_to_another_aspect_ratio(fit, expected):
    wide = Image.new("L", (40, 20), 200)
    size = {"squash": (2, 2), "pad": (4, 4), "crop": (1, 2)}[fit]
    assert decode(encode(wide, "PNG"), Target(*size, 1, fit)).pixels[..., 0].tolist() == expected


def test_a_picture_of_3000_x_2_pixels():
    assert decode(encode(Image.new("L", (3000, 2), 9), "PNG"), Target(16, 16, 1)).pixels.max() == 9


def test_arrays_of_more_than_8_bits():
    picture = decode((RAMP.astype(np.uint16) * 16)[..., None], Target(48, 64, 1))
    assert picture.peak == 4080
    assert np.array_equal(scaled(picture.pixels, white_of(picture.peak))[..., 0], RAMP.astype(int) * 4080 // 4095)
