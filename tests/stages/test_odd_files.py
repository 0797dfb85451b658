"""A folder of odd and hostile files: which are read, and as what, and which are refused, all at once."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from described import describe
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import DataError
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download, prepare

PIXELS = np.zeros((40, 60), np.uint8)
PIXELS[:, 30:] = 200  # black on the left, bright on the right
GREY = Image.fromarray(PIXELS)
RGB = GREY.convert("RGB")


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def upside_down() -> bytes:
    exif = Image.Exif()
    exif[0x112] = 3  # to be turned by 180 degrees
    return encode(GREY.rotate(180), "JPEG", quality=95, exif=exif)


def claiming(side: int) -> bytes:
    """Return a small PNG whose header claims a large picture."""
    data = bytearray(encode(GREY))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def animated(kind: str) -> bytes:
    return encode(GREY, kind, save_all=True, append_images=[GREY.rotate(180)])


READ = {  # file -> its bytes, its mode, and the grey level on the left and on the right
    "cmyk.jpg": (encode(RGB.convert("CMYK"), "JPEG", quality=95), "CMYK", (0, 200)),
    "palette.png": (encode(GREY.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)), "P", (0, 200)),
    "one_bit.png": (encode(GREY.convert("1", dither=Image.Dither.NONE)), "1", (0, 255)),
    "grey_and_alpha.png": (encode(GREY.convert("LA")), "LA", (0, 200)),
    "turned.jpg": (upside_down(), "L", (0, 200)),
    "progressive.jpg": (encode(GREY, "JPEG", quality=95, progressive=True), "L", (0, 200)),
    "16_bits.png": (encode(Image.fromarray(PIXELS.astype(np.uint16) * 257)), "I;16", (0, 200)),
    "12_of_16_bits.png": (encode(Image.fromarray(PIXELS.astype(np.uint16) * 16)), "I;16", (0, 12)),  # 65,535 is white
    "lossless.webp": (encode(RGB, "WEBP", lossless=True), "RGB", (0, 200)),
    "still.gif": (encode(GREY, "GIF"), "P", (0, 200)),
    "picture.bmp": (encode(GREY, "BMP"), "L", (0, 200)),
    "one_pixel.png": (encode(Image.new("L", (1, 1), 90)), "L", (90, 90)),
    "long.png": (encode(GREY.resize((3000, 2), Image.Resampling.NEAREST)), "L", (0, 200)),
    "cafe\u0301 <b>.png": (encode(RGB), "RGB", (0, 200)),  # a decomposed letter
    "SHOUTED.TIFF": (encode(RGB, "TIFF", compression="tiff_lzw"), "RGB", (0, 200)),
    "jpeg_named.png": (encode(GREY, "JPEG", quality=95), "L", (0, 200)),
}
REFUSED = {  # file -> its bytes, and the reason
    "float.tif": (encode(Image.fromarray(PIXELS.astype(np.float32) / 255), "TIFF"), "set `image.white`"),
    "truncated.jpg": (encode(GREY, "JPEG")[:400], "truncated"),
    "empty.png": (b"", "empty or missing file"),
    "text.png": (b"not found", "not a JPEG, PNG,"),
    "moving.gif": (animated("GIF"), "must hold one picture, got 2"),
    "moving.png": (animated("PNG"), "must hold one picture, got 2"),
    "30000_px.png": (claiming(30_000), "decompression bomb"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return class folders of all odd files, with what operating systems leave there."""
    for k, files in enumerate((READ, REFUSED)):
        for i, (name, (data, *_)) in enumerate(files.items()):
            path = tmp_path / "odd" / "ab"[(i + k) % 2] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for name in ("a/.DS_Store", "b/Thumbs.db", "a/._palette.png"):
        (tmp_path / "odd" / name).write_bytes(b"x")
    return tmp_path / "odd"


def prepared(folder: Path, **keys: object) -> Samples:
    layout = Layout(folder.parent / "project")
    image = {"px": [8, 12], "channels": 1}
    describe(layout.root, "own", source={"folder": str(folder)}, image=image, **keys)
    download.run(layout, "own", str(folder), DownloadSettings(timeout_s=1, retries=0))
    prepare.run(layout, "own")
    return Samples.read(layout.prepared("own"))


def test_there_are_more_than_20_files() -> None:
    assert len(READ) + len(REFUSED) > 20


def test_all_refused_files_are_listed_at_once_with_the_line_that_skips_them(folder: Path) -> None:
    with pytest.raises(DataError) as error:
        prepared(folder)
    lines = {line.partition(": ")[0].partition("/")[2]: line for line in error.value.problems}
    assert set(lines) == set(REFUSED)
    assert all(reason in lines[name] for name, (_, reason) in REFUSED.items())
    assert all(len(line.splitlines()) == 1 for line in error.value.problems)
    headline = str(error.value).splitlines()[0]
    assert f"{len(REFUSED)} of {len(READ) + len(REFUSED)} files" in headline
    assert f"`bad_files: skip` into {folder.parent / 'project/data/own.yaml'}" in headline
    assert not (folder.parent / "project/data/prepared/own").exists()


def test_the_others_are_read_as_they_look(folder: Path) -> None:
    samples = prepared(folder, bad_files="skip")
    assert {path.partition("/")[2] for path in samples.info.left_out} == set(REFUSED)
    names = [source.partition("/")[2] for source in samples.table["source"]]
    assert sorted(names) == sorted(READ)
    for name, image, mode in zip(names, samples.images[..., 0].astype(int), samples.table["mode"], strict=True):
        _, expected_mode, (left, right) = READ[name]
        assert mode == expected_mode, name
        assert abs(image[:, 0] - left).max() <= 4, name
        assert abs(image[:, -1] - right).max() <= 4, name


def test_links_that_lead_to_no_file_are_refused(folder: Path) -> None:
    (folder / "c").symlink_to(folder / "a")
    (folder / "a/gone.png").symlink_to(folder / "nowhere.png")
    (folder / "a/again.png").symlink_to(folder / "b/palette.png")
    with pytest.raises(DataError, match="2 links lead to no file") as error:
        prepared(folder, bad_files="skip")
    assert error.value.problems == [f"{folder}/a/gone.png: link", f"{folder}/c: link"]
