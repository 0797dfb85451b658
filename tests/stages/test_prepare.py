"""The stage on generated archives: good files, copies, bad files, changed files."""

import hashlib
import io
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw
from ruamel.yaml import YAML

from described import ROOT, describe
from packing import pack
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import DataError, InputError
from pipeline.datasets.description import read_dataset
from pipeline.stages import prepare, split

URL = "https://example.org/brains.tar.gz"
CLASSES = {"no_tumor": "healthy", "brain_tumor": "tumor"}


def picture(k: int, kind: str = "PNG", mode: str = "L") -> bytes:
    """Draw a small picture of its own for each k."""
    rng = np.random.default_rng(k)
    image = Image.fromarray(rng.integers(0, 256, (10, 10), np.uint8)).resize((60, 50), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def digest_of(files: dict[str, bytes]) -> str:
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@pytest.fixture
def publish(tmp_path):
    """Describe the set "brains" of the given files {path: content}; return the layout with its archive."""

    def write(files: dict[str, bytes], order: int = 1, folder: str = "project", **keys: object) -> Layout:
        layout = Layout(tmp_path / folder)
        pack(layout.raw("brains") / "brains.tar.gz", [(f"root/{path}", files[path]) for path in [*files][::order]])
        source = {"archive": URL, "content": {"images": digest_of(files)}}
        positive = {"classes": ["tumor"], "meaning": "a tumour", "medical": True}
        described = {"source": source, "classes": CLASSES, "images": max(len(files), 1), "positive": positive, **keys}
        describe(layout.root, "brains", **described)
        return layout

    return write


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


def prepared(layout: Layout, bits: int | None = None, image_px: int = 32, *, standardise: bool = False) -> Samples:
    keys = YAML(typ="safe").load(layout.root / "data/brains.yaml")
    duplicates, image = {"max_bits": bits, "hash_size": 16}, {"px": image_px, "channels": 1, "standardise": standardise}
    describe(layout.root, "brains", **keys | {"duplicates": duplicates, "image": image})
    prepare.run(layout, "brains")
    return Samples.read(layout.prepared("brains"))


@pytest.fixture
def good(publish):
    return publish(IMAGES)


def test_rows_are_in_the_order_of_their_content(good):
    samples = prepared(good)
    table = samples.table
    expected = sorted((hashlib.sha256(data).hexdigest(), path) for path, data in IMAGES.items())
    assert list(zip(table["sha256"], table["source"], strict=True)) == expected
    assert list(table.columns) == [
        *("sample", "label", "class", "copies", "group", "origin", "patient", "official_part", "source"),
        *("format", "mode", "width", "height", "sha256"),
    ]
    assert samples.images.shape == (8, 32, 32, 1)
    assert table["sample"].is_unique
    twin = table[table["source"] == healthy(2)].iloc[0]
    assert twin["sample"] == twin["sha256"][:12] + "-2"
    row = table[table["source"] == tumor(2)].iloc[0]
    assert (row["label"], row["class"], row["format"], row["mode"]) == (1, "tumor", "TIFF", "CMYK")
    assert (row["width"], row["height"]) == (60, 50)


def test_duplicates_and_conflicts_are_counted(good):
    samples = prepared(good)
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
        "groups_of_copies": 5,
        "duplicates": 3,
        "images_of_known_patients": 0,
        "known_patients": 0,
        "groups": 5,
        "largest_group": 2,
        "label_conflict_groups": 1,
        "label_conflict_images": 2,
        "kept_images": 6,
    }
    assert samples.info.positive == ["tumor"]
    assert samples.info.digests == {"images": digest_of(IMAGES)}


def test_the_same_bytes_from_every_mirror(publish):
    one, other = publish(IMAGES, folder="one"), publish(IMAGES, order=-1, folder="other")
    assert prepared(one, bits=32).info == prepared(other, bits=32).info
    for name in ("images.npy", "samples.csv", "dataset.json"):
        first, second = (layout.prepared("brains") / name for layout in (one, other))
        assert first.read_bytes() == second.read_bytes()


def test_near_duplicates_join_only_with_a_distance(publish):
    blurred = io.BytesIO()
    Image.open(io.BytesIO(picture(4))).resize((300, 250)).save(blurred, "JPEG", quality=60)
    layout = publish(IMAGES | {tumor(4): blurred.getvalue()})
    apart, joined = prepared(layout, None), prepared(layout, 32)
    assert (apart.info.counts["groups"], joined.info.counts["groups"]) == (6, 5)
    assert (apart.info.near_duplicate_bits, joined.info.near_duplicate_bits) == (None, 32)


BAD = {
    healthy(10): b"",
    healthy(11): picture(1, "JPEG")[:400],
    healthy(12): b"a text named .jpg",
    tumor(10): picture(1, "PPM"),
    "brain_imgs/Cancer.jpg": picture(6),
    "loose.png": picture(7),
}


def test_unusable_files_are_listed_together(publish):
    layout = publish(IMAGES | BAD)
    with pytest.raises(DataError) as error:
        prepared(layout)
    assert [p.split(": ")[0] for p in error.value.problems] == list(BAD)
    assert "empty or missing file" in error.value.problems[0]
    assert [p for p in error.value.problems if "not inside a class folder" in p] == error.value.problems[4:]
    assert not layout.prepared("brains").exists()


def test_unusable_files_are_left_out_if_the_data_set_says_so(publish):
    layout = publish(IMAGES | BAD, bad_files="skip")
    keys = YAML(typ="safe").load(layout.root / "data/brains.yaml")
    del keys["images"]
    describe(layout.root, "brains", **keys)
    samples = prepared(layout)
    assert list(samples.info.left_out) == list(BAD)
    assert len(samples.table) == len(IMAGES)


def test_a_changed_image_is_noticed(publish):
    layout = publish(IMAGES | {tumor(1): picture(8)}, source={"archive": URL, "content": {"images": digest_of(IMAGES)}})
    with pytest.raises(DataError, match=f"images: sha256 must be {digest_of(IMAGES)}"):
        prepared(layout)
    assert not layout.prepared("brains").exists()


def test_an_archive_without_images_is_refused(publish):
    with pytest.raises(DataError, match="holds no images"):
        prepared(publish({"README.md": b""}, images=1, source={"archive": URL}))


def test_missing_and_changed_raw_files_are_named(tmp_path):
    layout = Layout(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("digits", "mnist"):
        shutil.copy(ROOT / f"data/{name}.yaml", tmp_path / "data")
    with pytest.raises(DataError, match="raw files are missing; run: dvc repro download@digits") as error:
        prepare.run(layout, "digits")
    assert error.value.problems == [f"{layout.raw('digits') / 'digits.csv.gz'}: no such file"]
    layout.raw("mnist").mkdir(parents=True)
    for file in read_dataset(tmp_path, "mnist").source.files():
        (layout.raw("mnist") / file.name).write_bytes(b"other")
    with pytest.raises(DataError, match="raw files have changed") as error:
        prepare.run(layout, "mnist")
    assert len(error.value.problems) == 4


def test_too_few_images_are_noticed(publish):
    with pytest.raises(DataError) as error:
        prepared(publish(IMAGES, images=9))
    assert error.value.problems == ["images per part: must be {'': 9}, got {'': 8}"]


def test_cropped_images_are_counted(publish):
    """Two slices with a wide margin, and one that fills its picture."""
    files = {}
    for k, margin in ((1, 40), (2, 30), (3, 0)):
        image = Image.new("L", (120 + 2 * margin, 100 + 2 * margin))
        brain = Image.open(io.BytesIO(picture(k))).resize((120, 100)).point(lambda value: 80 + value // 2)
        image.paste(brain, (margin, margin))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[(tumor if k == 3 else healthy)(k)] = buffer.getvalue()
    layout = publish(files)
    standardised, plain = (prepared(layout, standardise=flag).info for flag in (True, False))
    assert standardised.counts == plain.counts | {"cropped_images": 2}
    assert (standardised.standardise, plain.standardise) == (True, False)


def test_the_pictures_that_other_data_sets_are_compared_with_are_as_published(good):
    plain, standardised = (prepared(good, image_px=64, standardise=flag) for flag in (False, True))
    compared = Samples.read(good.compared("brains"))
    assert (compared.images == plain.images).all()
    assert (standardised.images != plain.images).any()
    assert compared.table.equals(standardised.table)
    assert (compared.info.image_shape, compared.info.standardise) == ((64, 64, 1), False)


@pytest.mark.parametrize("px", [None, 16])
def test_colour_arrays_keep_their_pixels_or_are_resized(tmp_path, px):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.arange(6) % 2)
    describe(tmp_path, "a", source={"npz": "a.npz"}, image={"px": px} if px else {})
    prepare.run(Layout(tmp_path), "a")
    samples = Samples.read(Layout(tmp_path).prepared("a"))
    assert samples.table["mode"].unique().tolist() == ["RGB"]
    assert samples.info.classes == ["0", "1"]
    if px:
        assert samples.images.shape == (6, 16, 16, 3)
        return
    assert sorted(x.tobytes() for x in samples.images) == sorted(x.tobytes() for x in pixels)


def test_a_disk_without_space_is_noticed_before_and_after_decoding(publish, monkeypatch, capsys):
    layout = publish(IMAGES)
    usage = shutil.disk_usage(layout.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=20_000))
    with pytest.raises(InputError, match=r"needs 4\d\.\d kB of disk space, but 20\.0 kB are free"):
        prepared(layout)  # 8 images of 32 x 32 pixels, each with a picture of 64 x 64 to compare
    assert "8 images" in capsys.readouterr().out
    assert [path.name for path in layout.prepared("brains").parent.iterdir()] == []
    keys = YAML(typ="safe").load(layout.root / "data/brains.yaml")
    del keys["images"]
    describe(layout.root, "brains", **keys)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000))
    with pytest.raises(InputError, match=r"needs 8\.2 kB of disk space, but 5\.0 kB are free"):
        prepare.run(layout, "brains")
    assert "8 images" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_of_several_sizes_are_refused(tmp_path, dtype):
    arrays = {f"train_{name}": values for name, values in of_npz(8, dtype).items()}
    np.savez(tmp_path / "a.npz", **arrays, **{f"test_{name}": values for name, values in of_npz(6, dtype).items()})
    describe(tmp_path, "a", source={"npz": "a.npz"})
    with pytest.raises(DataError, match="4 of 8 files cannot be used") as error:
        prepare.run(Layout(tmp_path), "a")
    assert len(error.value.problems) == 4


def of_npz(px: int, dtype: type) -> dict[str, np.ndarray]:
    return {"images": np.ones((4, px, px), dtype), "labels": np.arange(4) % 2}


def test_hostile_names_stay_text(publish):
    names = ["<script>alert(1)</script>.png", "=1+1,2\n3.png", "naïve “q”.png"]
    files = {f"brain_imgs/no_tumor/{n.replace('/', '-')}": picture(20 + k) for k, n in enumerate(names)}
    samples = prepared(publish(IMAGES | files))
    assert set(files) < set(samples.table["source"])


def test_the_picture_is_the_one_of_its_row(publish):
    files = {}
    for k in range(20):
        image = Image.new("L", (64, 64))
        ImageDraw.Draw(image).rectangle((0, 0, 64, 64), fill=12 * k)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[healthy(k)] = buffer.getvalue()
    samples = prepared(publish(files))
    for image, source in zip(samples.images, samples.table["source"], strict=True):
        assert (image == 12 * int(source.split("(")[1].split(")")[0])).all()


def scan(k: int, quality: int) -> bytes:
    """Draw a large JPEG for each k; 2 n and 2 n + 1 differ in texture alone, which a picture of a few pixels loses."""
    coarse = np.random.default_rng(k // 2).integers(60, 196, (4, 4), np.uint8)
    texture = np.random.default_rng(1000 + k).integers(-60, 60, (24, 24)) + 128
    layers = [
        np.asarray(Image.fromarray(x.astype(np.uint8)).resize((600, 600), Image.Resampling.BICUBIC), np.int64)
        for x in (coarse, texture)
    ]
    pixels = (layers[0] + layers[1] - 128).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((500, 600)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def test_groups_and_parts_depend_neither_on_image_px_nor_on_standardisation(publish):
    """As they would if copies were sought in the prepared pictures."""
    originals = {path(k): scan(k, 95) for k in range(60) for path in (healthy, tumor) if (k % 4 < 2) == (path is tumor)}
    copies = {f"{path}.copy.jpg": scan(int(path.split("(")[1].split(")")[0]), 80) for path in [*originals][:20]}
    layout = publish(originals | copies, split={"seed": 1, "val": 0.2, "test": 0.2})
    tables, parts = [], []
    for image_px, standardise in ((8, False), (64, False), (64, True), (200, True)):
        samples = prepared(layout, 32, image_px, standardise=standardise)
        assert samples.images.shape[1:] == (image_px, image_px, 1)
        split.run(layout, "brains")
        tables.append(samples.table)
        parts.append([Samples.read(folder).table for folder in (layout.development("brains"), layout.test("brains"))])
    assert Counter(tables[0]["group"].value_counts()) == {1: 40, 2: 20}
    for table, (development, test) in zip(tables, parts, strict=True):
        assert table.equals(tables[0])
        assert development.equals(parts[0][0])
        assert test.equals(parts[0][1])
