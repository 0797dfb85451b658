import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError, DataError
from pipeline.datasets import class_folders, preparation
from pipeline.datasets.registry import RawFile, RawImage, specs

FOLDERS = {"brain_imgs/no_tumor": ("healthy", ""), "brain_imgs/brain_tumor": ("tumor", "")}


def picture(k: int, kind: str = "PNG", mode: str = "L") -> bytes:
    """A small picture of its own for each k."""
    rng = np.random.default_rng(k)
    image = Image.fromarray(rng.integers(0, 256, (10, 10), np.uint8)).resize((60, 50), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Registers the set "brains" of the given files {path: content}; returns the folder with its archive."""

    def register(files: dict[str, bytes], order: int = 1) -> Path:
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        with tarfile.open(folder / "brains.tar.gz", "w:gz") as tar:
            for path, data in [*files.items()][::order]:
                info = tarfile.TarInfo(f"root/{path}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
        spec = replace(
            specs()["brain_mri"],
            name="brains",
            files=(RawFile("brains.tar.gz", "https://example.org/brains.tar.gz"),),
            read=class_folders.folder_reader("brains.tar.gz", ("healthy", "tumor"), FOLDERS),
            digests={"images": hashlib.sha256(lines.encode()).hexdigest()},
        )
        monkeypatch.setitem(specs(), "brains", spec)
        return folder

    return register


def healthy(k: int) -> str:
    return f"brain_imgs/no_tumor/Not Cancer ({k}).jpg"


def tumor(k: int) -> str:
    return f"brain_imgs/brain_tumor/Cancer ({k}).tif"


GOOD = {
    healthy(1): picture(1, "JPEG", "RGB"),
    healthy(2): picture(1, "JPEG", "RGB"),  # the same file again
    healthy(3): picture(2),
    healthy(4): picture(2, "TIFF", "RGB"),  # the same picture in another file
    healthy(5): picture(3, "PNG", "RGBA"),
    tumor(1): picture(4),
    tumor(2): picture(5, "TIFF", "CMYK"),
    tumor(3): picture(3),  # the same picture under another label
    "metadata.csv": b"image,class\n",
}
IMAGES = {path: data for path, data in GOOD.items() if path != "metadata.csv"}


def prepared(raw: Path, out: Path, bits: int | None = None):
    preparation.prepare_dataset("brains", raw, out, image_px=32, near_duplicate_bits=bits, hash_size=16)
    return Samples.read(out)


@pytest.fixture
def good(publish):
    return publish(IMAGES)


def test_rows_stand_in_the_order_of_their_content(good, tmp_path):
    samples = prepared(good, tmp_path / "out")
    table = samples.table
    expected = sorted((hashlib.sha256(data).hexdigest(), path) for path, data in IMAGES.items())
    assert list(zip(table["sha256"], table["source"], strict=True)) == expected
    assert list(table.columns) == [
        *("sample", "label", "class", "group", "official_part", "source"),
        *("format", "mode", "width", "height", "sha256"),
    ]
    assert samples.images.shape == (8, 32, 32, 1)
    assert table["sample"].is_unique
    twin = table[table["source"] == healthy(2)].iloc[0]
    assert twin["sample"] == twin["sha256"][:12] + "-2"
    row = table[table["source"] == tumor(2)].iloc[0]
    assert (row["label"], row["class"], row["format"], row["mode"]) == (1, "tumor", "TIFF", "CMYK")
    assert (row["width"], row["height"]) == (60, 50)


def test_duplicates_and_conflicts_are_counted(good, tmp_path):
    samples = prepared(good, tmp_path / "out")
    groups = samples.table.groupby("group")["source"].apply(set).tolist()
    assert {healthy(1), healthy(2)} in groups
    assert {healthy(3), healthy(4)} in groups
    assert {healthy(5), tumor(3)} in groups
    for name, rows in samples.table.groupby("group"):
        assert name == rows["sha256"].min()[:12]
    assert samples.info.counts == {
        "images": 8,
        "distinct_files": 7,
        "distinct_pictures": 5,
        "groups": 5,
        "largest_group": 2,
        "duplicates": 3,
        "label_conflict_groups": 1,
        "label_conflict_images": 2,
        "kept_images": 6,
    }
    assert samples.info.positive == ["tumor"]
    assert samples.info.digests == specs()["brains"].digests


def test_the_same_bytes_from_every_mirror(publish, tmp_path):
    first = prepared(publish(IMAGES), tmp_path / "a", bits=32)
    again = prepared(publish(IMAGES, order=-1), tmp_path / "b", bits=32)
    assert first.info == again.info
    for name in ("images.npy", "samples.csv", "dataset.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_near_duplicates_join_only_with_a_distance(publish, tmp_path):
    blurred = io.BytesIO()
    Image.open(io.BytesIO(picture(4))).resize((300, 250)).save(blurred, "JPEG", quality=60)
    raw = publish(IMAGES | {tumor(4): blurred.getvalue()})
    apart, joined = (prepared(raw, tmp_path / str(bits), bits) for bits in (None, 32))
    assert (apart.info.counts["groups"], joined.info.counts["groups"]) == (6, 5)
    assert (apart.info.near_duplicate_bits, joined.info.near_duplicate_bits) == (None, 32)


BAD = {
    healthy(10): b"",
    healthy(11): picture(1, "JPEG")[:400],
    healthy(12): b"a text named .jpg",
    tumor(10): picture(1, "GIF"),
    "brain_imgs/no_tumor/deeper/Cancer.jpg": picture(6),
    "loose.png": picture(7),
}


def test_unusable_files_are_listed_together(publish, tmp_path):
    raw = publish(IMAGES | BAD)
    with pytest.raises(DataError) as error:
        prepared(raw, tmp_path / "out")
    assert [p.split(": ")[0] for p in error.value.problems] == list(BAD)
    assert "empty file" in error.value.problems[0]
    assert [p for p in error.value.problems if "stands in no class folder" in p] == error.value.problems[4:]
    assert not (tmp_path / "out").exists()


def test_a_changed_image_is_noticed(publish, tmp_path, monkeypatch):
    publish(IMAGES)
    expected = specs()["brains"].digests
    raw = publish(IMAGES | {tumor(1): picture(8)})
    monkeypatch.setitem(specs(), "brains", replace(specs()["brains"], digests=expected))
    with pytest.raises(DataError, match=f"images: sha256 must be {expected['images']}"):
        prepared(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_without_images_is_refused(publish, tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        prepared(publish({}), tmp_path / "out")


def test_missing_and_changed_raw_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"digits\.csv\.gz: no such file"):
        preparation.prepare_dataset("digits", tmp_path, tmp_path / "out", 8, None, 8)
    for file in specs()["mnist"].files:
        (tmp_path / file.name).write_bytes(b"other")
    with pytest.raises(DataError, match=r"raw files changed") as error:
        preparation.prepare_dataset("mnist", tmp_path, tmp_path / "out", 28, None, 8)
    assert len(error.value.problems) == 4


def test_published_pixels_are_not_resized(tmp_path):
    with pytest.raises(ConfigError, match=r"prepare\.mnist\.image_px: must be 28, the published size, got 32"):
        preparation.prepare_dataset("mnist", tmp_path, tmp_path / "out", 32, None, 8)


def test_colour_pixels_keep_their_channels(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 32, 32, 3), np.uint8)

    def read(folder):
        for k, x in enumerate(pixels):
            yield RawImage("data_batch_*.bin", "train", k % 2, hashlib.sha256(x.tobytes()).hexdigest(), x)

    spec = replace(specs()["cifar10"], files=(), read=read, content_digests=lambda records: {}, digests={})
    monkeypatch.setitem(specs(), "cifar10", spec)
    preparation.prepare_dataset("cifar10", tmp_path, tmp_path / "out", 32, 40, 16)
    samples = Samples.read(tmp_path / "out")
    assert sorted(x.tobytes() for x in samples.images) == sorted(x.tobytes() for x in pixels)
    assert samples.table["mode"].unique().tolist() == ["RGB"]


def test_hostile_names_stay_text(publish, tmp_path):
    names = ["<script>alert(1)</script>.png", "=1+1,2\n3.png", "naïve “q”.png"]
    files = {f"brain_imgs/no_tumor/{n.replace('/', '-')}": picture(20 + k) for k, n in enumerate(names)}
    samples = prepared(publish(IMAGES | files), tmp_path / "out")
    assert set(files) < set(samples.table["source"])


def test_the_picture_is_the_one_of_its_row(publish, tmp_path):
    files = {}
    for k in range(20):
        image = Image.new("L", (64, 64))
        ImageDraw.Draw(image).rectangle((0, 0, 64, 64), fill=12 * k)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[healthy(k)] = buffer.getvalue()
    samples = prepared(publish(files), tmp_path / "out")
    for image, source in zip(samples.images, samples.table["source"], strict=True):
        assert (image == 12 * int(source.split("(")[1].split(")")[0])).all()
