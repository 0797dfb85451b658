"""The derivation of origins.csv, on generated collections: copies are matched, patients numbered."""

import hashlib
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from docs.derive_origins import HASH_SIZE, MAX_BITS, MIN_CORRELATION, Sources, matches, read_sources
from packing import pack
from pipeline.datasets.duplicates import perceptual_hashes
from pipeline.datasets.records import RawImage


def scan(seed: int) -> NDArray[np.uint8]:
    """Return a smooth picture, (128, 128)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC))


def encoded(pixels: NDArray[np.uint8], image_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, image_format)
    return file.getvalue()


def published(*files: bytes) -> list[RawImage]:
    return [RawImage(f"{k}.png", "", 0, hashlib.sha256(data).hexdigest(), data) for k, data in enumerate(files)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return slices 1 to 3 of three patients, two of whose identifiers differ in the last letter, and one of Br35H."""
    folder = tmp_path_factory.mktemp("sources")
    cheng = pack(folder / "cheng.tar", [(f"glioma/{k}.jpg", encoded(scan(k))) for k in (1, 2, 3)])
    br35h = pack(folder / "br35h.tar", [("no/7.jpg", encoded(scan(7)))])
    (folder / "slices.csv").write_text("slice,patient,label\n1,MR024780B,2\n2,MR024780E,2\n3,100360,2\n")
    return read_sources(cheng, folder / "slices.csv", br35h)


def test_identifiers_become_numbers_and_families(sources: Sources) -> None:
    table = sources.table.astype(object).where(sources.table.notna(), None)
    assert table.to_numpy().tolist() == [
        ["cheng", "1", 1, 1],
        ["cheng", "2", 2, 1],
        ["cheng", "3", 3, 2],
        ["br35h", "7", None, None],
    ]


def test_copies_are_matched_as_they_are_smaller_compressed_and_mirrored(sources: Sources) -> None:
    smaller = np.asarray(Image.fromarray(scan(2)).resize((96, 96), Image.Resampling.BICUBIC))
    records = published(
        encoded(scan(1)), encoded(smaller, "JPEG"), encoded(scan(3)[:, ::-1]), encoded(scan(7)[::-1, ::-1]),
        encoded(scan(99)),
    )  # fmt: skip
    table = matches(records, sources)
    assert list(table["sample"]) == [record.sha256[:12] for record in records[:4]]
    assert list(table["slice"]) == ["1", "2", "3", "7"]
    assert table["patient"].iloc[:3].tolist() == [1, 2, 3]
    assert table["bits"].max() <= MAX_BITS
    assert table["correlation"].min() >= MIN_CORRELATION
    assert table["bits"].iloc[0] == 0


def test_equal_low_frequencies_are_no_match_if_the_pixels_do_not_correlate(sources: Sources) -> None:
    """A checkerboard leaves the perceptual hash as it is, which sees low frequencies alone."""
    fine = np.kron(np.indices((64, 64)).sum(axis=0) % 2, np.ones((2, 2)))
    checkered = (0.4 * scan(1) + 150 * fine).astype(np.uint8)
    pixels = np.stack([scan(1)[::2, ::2], checkered[::2, ::2]])[..., None]
    hashes = perceptual_hashes(pixels, HASH_SIZE)[0]
    assert (hashes[0] != hashes[1]).sum() <= MAX_BITS
    assert matches(published(encoded(checkered)), sources).empty
    assert len(matches(published(encoded((0.4 * scan(1) + 75).astype(np.uint8))), sources)) == 1
