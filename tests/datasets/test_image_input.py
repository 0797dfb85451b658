"""Images that users hand over: what is searched, and that all kinds of input are decoded as `prepare` decodes files."""

import base64
import io
import os
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.datasets.decoding import Target, decode
from pipeline.datasets.image_input import find_images, image_name, read_image, target_of_model

GREY: Any = SimpleNamespace(image_shape=(16, 16, 1), fit="squash", standardise=False, white=None, window=None)
COLOUR: Any = SimpleNamespace(image_shape=(16, 16, 3), fit="squash", standardise=False, white=None, window=None)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)


def encode(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    image.convert(mode or image.mode).save(buffer, kind)
    return buffer.getvalue()


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_are_searched_at_any_depth_and_junk_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "scans/b.PNG", "scans/deep/er/a.jpeg", "scans/c.tif", "scans/notes.txt", "scans/notes.gz")
    touch(tmp_path, "scans/v.nii.gz", "scans/w.DCM")
    touch(tmp_path, "scans/.DS_Store", "scans/._b.png", "scans/Thumbs.db", "scans/__MACOSX/a.png", "scans/.git/a.png")
    files = find_images(["scans"])
    names = [path.relative_to("scans").as_posix() for path in files.paths]
    assert names == ["b.PNG", "c.tif", "v.nii.gz", "w.DCM", "deep/er/a.jpeg"]
    assert (files.n_hidden, files.n_other, files.problems) == (5, 2, [])


def test_files_patterns_and_lines_are_joined_without_repetition(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/2.png", "a/x [1].png", "image.dat", "a/.hidden.png")
    names = [str(tmp_path / name) for name in ("a/2.png", "a/*.png", "image.dat", "a/x [1].png", "none*", "none.png")]
    files = find_images([*names, "-"], [str(tmp_path / "a"), str(tmp_path / "a/.hidden.png")])
    relative = [path.relative_to(tmp_path).as_posix() for path in files.paths]
    assert relative == ["a/2.png", "a/1.png", "a/x [1].png", "image.dat", "a/.hidden.png"]
    assert [problem.partition(": ")[0] for problem in files.problems] == names[-2:]


@pytest.mark.parametrize("name", ["x" * 5000, "x\0y"])
def test_what_is_no_name_is_a_problem(name: str) -> None:
    assert [problem.partition(": ")[0] for problem in find_images([name]).problems] == [name]


@pytest.mark.parametrize("dataset", [GREY, COLOUR])
def test_all_kinds_of_input_give_equal_pixels(dataset: Any, tmp_path: Path) -> None:
    data = encode(PIXELS)
    path = tmp_path / "image.png"
    path.write_bytes(data)
    text = base64.b64encode(data).decode()
    inputs = [path, str(path), data, bytearray(data), text, base64.encodebytes(data).decode()]
    inputs += [f"data:image/png;base64,{text}", PIXELS, PIXELS.astype(np.float32), PIXELS.astype(np.int64)]
    first, *others = [read_image(image, dataset) for image in inputs]
    assert first.pixels.shape == dataset.image_shape
    assert (first.width, first.height) == (30, 40)
    assert first.colour > 50
    for other in others:
        np.testing.assert_array_equal(other.pixels, first.pixels)


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "L"), ("JPEG", "RGB"), ("TIFF", "CMYK"), ("PNG", "RGBA")])
def test_grey_is_decoded_by_the_function_of_prepare(kind: str, mode: str) -> None:
    data = encode(PIXELS, kind, mode)
    np.testing.assert_array_equal(read_image(data, GREY).pixels, decode(data, Target(16, 16, 1)).pixels)


def test_every_setting_of_the_decoder_is_passed() -> None:
    """A new one must be stored in DatasetInfo, and set in `target_of_model`: images would be decoded otherwise."""
    info: Any = SimpleNamespace(image_shape=(20, 30, 3), fit="pad", standardise=True, white=4095, window=(40, 80))
    assert target_of_model(info) == Target(20, 30, 3, "pad", True, 4095, (40, 80))
    names = {"height", "width", "channels", "fit", "standardise", "white", "window"}
    assert {field.name for field in fields(Target)} == names


def test_scans_of_more_than_8_bits_have_the_white_of_the_data_set() -> None:
    values = np.full((8, 8), 2048, np.uint16)
    deep: Any = SimpleNamespace(image_shape=(8, 8, 1), fit="squash", standardise=False, white=4095, window=None)
    assert read_image(encode(values), deep).pixels.max() == 127
    assert read_image(encode(values), GREY).pixels.max() == 127  # of the values themselves: 4,095 is white


def test_an_array_of_the_size_of_the_model_is_not_changed() -> None:
    for pixels, dataset in ((PIXELS[:16, :16], COLOUR), (PIXELS[:16, :16, :1], GREY)):
        np.testing.assert_array_equal(read_image(pixels, dataset).pixels, pixels)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_a_grey_file_has_no_colour_and_three_equal_channels(mode: str) -> None:
    image = read_image(encode(PIXELS, "PNG", mode), COLOUR)
    assert image.colour == 0
    assert (np.ptp(image.pixels, axis=2) == 0).all()


def test_transparent_pixels_are_black() -> None:
    pixels = np.full((20, 20, 4), 200, np.uint8)
    pixels[:, :10, 3] = 0
    pixels[:, 10:, 3] = 255
    for dataset in (GREY, COLOUR):
        decoded = read_image(pixels, dataset).pixels
        assert (decoded[:, :6].max(), decoded[:, 10:].min()) == (0, 200)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "empty"),
        (b"text", "not a JPEG"),
        (encode(PIXELS)[:400], "cannot be decoded"),
        ("none.png", "No such file"),
        ("x\0y", "no path"),
        (np.zeros((4, 4, 2)), r"\(4, 4, 2\)"),
        (np.zeros((0, 4)), r"\(0, 4\)"),
        (np.full((4, 4), np.nan), "nan"),
        (np.full((4, 4), 256), "256"),
        (np.full((4, 4), -1), "-1"),
        (np.full((4, 4), 0.5), "multiply"),
        (None, "object"),
    ],
)
def test_what_cannot_be_read_has_a_reason(image: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_image(image, GREY)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all files")
def test_a_file_without_permission_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encode(PIXELS))
    path.chmod(0)
    with pytest.raises(DataError, match="Permission"):
        read_image(path, GREY)


def test_a_server_reads_no_paths(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encode(PIXELS))
    for image in (path, str(path)):
        with pytest.raises(DataError, match="reads no paths"):
            read_image(image, GREY, may_read_paths=False)
    read_image(base64.b64encode(encode(PIXELS)).decode(), GREY, may_read_paths=False)


def test_only_paths_name_an_image() -> None:
    assert image_name("a.png", 3) == image_name(Path("a.png"), 3) == "a.png"
    assert image_name(Path(os.fsdecode(b"\xff.png")), 3) == "\N{REPLACEMENT CHARACTER}.png"
    assert image_name(base64.b64encode(encode(PIXELS)).decode(), 3) == image_name(PIXELS, 3) == "image 3"
