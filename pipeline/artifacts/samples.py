"""A data set as files: images.npy, samples.csv and dataset.json of one folder belong together."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from pipeline.artifacts.image_rows import IN_MEMORY_BYTES, ImageRows, Images, write_images
from pipeline.artifacts.json_file import JsonFile, JsonPart
from pipeline.artifacts.layout import rebuild
from pipeline.core.errors import DataError
from pipeline.core.tables import write_csv

DEVELOPMENT = ("train", "val")
PARTS = (*DEVELOPMENT, "test")
FILES = ("images.npy", "samples.csv", "dataset.json")
COLUMNS = {
    "sample": "id: the first 12 digits of sha256, numbered where files are equal",
    "label": "index into the classes",
    "class": "name of the class",
    "copies": "id of the group of its copies",
    "group": "id of the unit that counts once and stays in one part: copies, and the images of one patient where known",
    "origin": "collection or source that the image comes from; empty where unknown",
    "patient": "collection and number of the patient, or the group that the source states; empty where unknown",
    "official_part": "train, val or test as published; empty where the publisher names no parts",
    "source": "path below the root of the archive, or file and index",
    "format": "of the published file",
    "mode": "of the published file, as Pillow names it",
    "width": "of the published image, pixels",
    "height": "of the published image, pixels",
    "sha256": "of the published file, or of label and pixels",
    "part": "train, val or test; absent before the split",
}
TEXT_COLUMNS = [name for name in COLUMNS if name not in ("label", "width", "height")]


class Size(JsonPart):
    """How much a part or class holds."""

    images: int
    groups: int


class PartSize(Size):
    classes: dict[str, Size] = Field({})


class SplitPlan(JsonPart):
    """How the images are to be split."""

    seed: int = 1
    val: float | None = None  # share of the images; None: the official val part, else 0.15
    test: float | None = None  # share of the images, pooled; None: the official test part, else 0.15


class DatasetInfo(JsonFile):
    """dataset.json: what the images are."""

    name: str
    classes: list[str]
    positive: list[str]  # classes that a screening looks for; empty: no screening
    positive_meaning: str | None
    medical: bool
    keeps_official_test: bool = False
    image_shape: tuple[int, int, int]  # height, width, channels
    counts: dict[str, int]  # images, groups and what lies between
    left_out: dict[str, str] = Field({})  # path -> why it was skipped
    digests: dict[str, str]  # sha256 of the published files or of their content
    terms: str
    citation: str
    source_url: str
    fit: Literal["squash", "pad", "crop"] = "squash"  # how published images became square: squash, pad or crop
    standardise: bool = False  # whether margins were cut off, and grey values evened out
    white: int | None = None  # value that became white in files of more than 8 bits; None: no such file
    window: tuple[float, float] | None = None  # center and width of grey values, of DICOM and NIfTI files
    near_duplicate_bits: int | None  # largest Hamming distance of two hashes in one group; None: equal pixels only
    hash_size: int
    split: SplitPlan = Field(SplitPlan())
    parts: dict[str, PartSize] = Field({})  # empty before the split
    dropped: dict[str, int] = Field({})  # reason -> images in no part
    split_seed: int | None = None  # that drew the test part; None before the split, or if the official one is kept
    digest: str = ""  # sha256 over images.npy and samples.csv; set on writing

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Return (K,): whether each class is positive."""
        return np.isin(self.classes, self.positive)

    @property
    def disjoint(self) -> str:
        """Return in words by what the parts are disjoint."""
        n_known, n = (self.counts[name] for name in ("images_of_known_patients", "images"))
        if n_known:
            return f"copies everywhere, and patients where they are known: for {n_known:,} of {n:,} images"
        return "copies; no patient is known" if self.medical else "copies"

    def positive_score(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the summed probability of the positive classes, 0 without any. (..., K) to (...)."""
        return np.asarray(probabilities[..., self.is_positive].sum(axis=-1))


class DataSource(JsonPart):
    """One part of a data set, as tracking names its inputs."""

    dataset: str
    part: str
    digest: str  # sha256 over the published files, in row order
    url: str


@dataclass(frozen=True)
class Samples:
    images: NDArray[np.uint8]  # (N, H, W, C), canonical row order
    table: pd.DataFrame  # N rows in the same order, with COLUMNS
    info: DatasetInfo

    def part(self, name: str) -> tuple[NDArray[np.uint8] | ImageRows, NDArray[np.int64]]:
        """Return the images (n, H, W, C) and labels (n,) of one part, in row order.

        A part of more than IN_MEMORY_BYTES is read when it is indexed.
        """
        rows = np.flatnonzero(self.table["part"].to_numpy() == name)
        images = ImageRows(self.images, rows)
        is_large = images.n_bytes > IN_MEMORY_BYTES
        return images if is_large else images.in_memory(), self.table["label"].to_numpy(np.int64)[rows]

    def memory(self) -> tuple[int, int]:
        """Return the bytes of the images that `part` leaves on disk, and of all else that a training holds of these."""
        sizes = self.table["part"].value_counts() * math.prod(self.images.shape[1:])
        on_disk = int(sizes[sizes > IN_MEMORY_BYTES].sum())
        return on_disk, int(sizes.sum()) - on_disk + int(self.table.memory_usage(deep=True).sum())

    def source(self, part: str) -> DataSource:
        """Return what one part is."""
        files = self.table.loc[self.table["part"] == part, "sha256"]
        digest = hashlib.sha256("\n".join(files).encode()).hexdigest()
        return DataSource(dataset=self.info.name, part=part, digest=digest, url=self.info.source_url)

    def write(self, folder: Path) -> None:
        """Write the three files."""
        write_samples(folder, self.images, self.table, self.info)

    @classmethod
    def read(cls, folder: Path) -> "Samples":
        """Read what `write` wrote; images stay on disk until they are indexed.

        Raises DataError if a file is missing, the files do not belong together, or a byte changed since.
        """
        if missing := [f"{folder / name}: no such file" for name in FILES if not (folder / name).is_file()]:
            raise DataError(f"{folder}: incomplete data; run: {rebuild(folder)}", missing)
        info = DatasetInfo.read(folder / "dataset.json")
        if (digest := samples_digest(folder)) != info.digest:
            raise DataError(
                f"{folder}: data changed since they were written (digest must be {info.digest}, got {digest}); "
                f"run: {rebuild(folder)}"
            )
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        # ids of hex digits like 123456789012 or 1234567890e1 would become numbers, and the class "" or "None" a gap
        types: Any = dict.fromkeys(TEXT_COLUMNS, str)
        table = pd.read_csv(folder / "samples.csv", dtype=types, keep_default_na=False)
        if len(images) != len(table) or images.shape[1:] != info.image_shape:
            raise DataError(
                f"{folder}: {len(table)} rows of shape {info.image_shape} in the tables, "
                f"but images.npy holds {images.shape}; run: {rebuild(folder)}"
            )
        return cls(images, table, info)


def write_samples(folder: Path, images: Images, table: pd.DataFrame, info: DatasetInfo) -> None:
    """Write what `Samples.read` reads; dataset.json gains the digest of the other two files."""
    write_images(folder / "images.npy", images)
    write_csv(folder / "samples.csv", table)
    info.model_copy(update={"digest": samples_digest(folder)}).write(folder / "dataset.json")


def label_conflicts(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return per row whether its copies carry more than one label: such images are counted, and belong to no part."""
    return table.groupby("copies")["label"].transform("nunique") > 1


def samples_digest(folder: Path) -> str:
    """Return the sha256 over the bytes of images.npy followed by those of samples.csv."""
    digest = hashlib.sha256()
    for name in FILES[:2]:
        with (folder / name).open("rb") as f:
            hashlib.file_digest(f, lambda: digest)  # adds to it
    return digest.hexdigest()
