"""The prepared form of a data set: images.npy, samples.csv and dataset.json of one folder belong together."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import DataError
from pipeline.core.files import read_json, write_json, writing
from pipeline.core.tables import write_csv

DEVELOPMENT = ("train", "val")
PARTS = (*DEVELOPMENT, "test")
TEXT_COLUMNS = ("sample", "class", "group", "official_part", "source", "format", "mode", "sha256", "part")


@dataclass(frozen=True)
class Samples:
    images: NDArray[np.uint8]
    """(N, H, W, C), canonical row order"""
    table: pd.DataFrame
    """N rows in the same order; columns as in samples.csv"""
    info: dict[str, Any]
    """dataset.json"""

    def part(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images (n, H, W, C) and labels (n,) of one part, in row order."""
        rows = self.table["part"].to_numpy() == name
        return self.images[rows], self.table["label"].to_numpy(np.int64)[rows]

    def source(self, part: str) -> dict[str, str]:
        """What one part is; digest: sha256 over its published files, in row order."""
        files = self.table.loc[self.table["part"] == part, "sha256"]
        digest = hashlib.sha256("\n".join(files).encode()).hexdigest()
        return {"dataset": self.info["name"], "part": part, "digest": digest, "url": self.info["source_url"]}


def label_conflicts(table: pd.DataFrame) -> "pd.Series[bool]":
    """Per row: does its group hold more than one label? Such images are counted, and belong to no part."""
    return table.groupby("group")["label"].transform("nunique") > 1


def write_samples(folder: Path, samples: Samples) -> None:
    """Writes the three files; `info` gains the digest of the other two."""
    with writing(folder / "images.npy") as part, part.open("wb") as f:
        np.save(f, samples.images, allow_pickle=False)
    write_csv(folder / "samples.csv", samples.table)
    write_json(folder / "dataset.json", samples.info | {"digest": samples_digest(folder)})


def samples_digest(folder: Path) -> str:
    """sha256 over the bytes of images.npy followed by those of samples.csv."""
    digest = hashlib.sha256()
    for name in ("images.npy", "samples.csv"):
        with (folder / name).open("rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def read_samples(folder: Path, *, mmap: bool = True) -> Samples:
    """Reads what write_samples wrote.

    mmap: leave the images on disk until they are indexed. Raises DataError if a file is missing, the files do not
    belong together, or a byte changed since they were written.
    """
    names = ("images.npy", "samples.csv", "dataset.json")
    if missing := [f"{folder / name}: no such file" for name in names if not (folder / name).is_file()]:
        raise DataError(f"{folder}: incomplete data; run the stage that writes it", missing)
    try:
        info = read_json(folder / "dataset.json")
        recorded = info["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / 'dataset.json'}: damaged: {error!r}; rerun the stage that writes it") from error
    if (found := samples_digest(folder)) != recorded:
        raise DataError(
            f"{folder}: data changed since they were written (digest must be {recorded}, got {found}); "
            "rerun the stage that writes them"
        )
    images = np.load(folder / "images.npy", mmap_mode="r" if mmap else None, allow_pickle=False)
    # ids of hex digits like 123456789012 or 1234567890e1 would become numbers, and the class "" or "None" a gap
    text = dict.fromkeys(TEXT_COLUMNS, str)
    table = pd.read_csv(folder / "samples.csv", dtype=text, keep_default_na=False, na_values=[])
    if len(images) != len(table) or list(images.shape[1:]) != info["image_shape"]:
        raise DataError(
            f"{folder}: {len(table)} rows of shape {info['image_shape']} in the tables, "
            f"but images.npy holds {images.shape}; rerun the stage that writes them"
        )
    return Samples(images, table, info)
