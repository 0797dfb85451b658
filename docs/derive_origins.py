"""Derive pipeline/datasets/origins.csv: the published MRI images that are slices of two older collections.

Run, after `dvc repro download@brain_mri download@brain_mri_types`:
`python -m docs.derive_origins cheng.tar slices.csv br35h.tar`

cheng.tar: `<class>/<slice>.jpg`, the 3,064 slices of Cheng 2015, doi 10.6084/m9.figshare.1512427.
slices.csv: `slice,patient,label`, the fields PID and label of its .mat files; identifiers of patients become numbers.
br35h.tar: `no/<number>.jpg`, the 1,500 images without a tumour of Br35H, Kaggle ahmedhamada0/brain-tumor-detection.
Any size will do, both are compared at COMPARED_PX. The repository nanonane/RCS-YOLO holds these two at 96 px under
these names, jayadityadev/BrainTumorClassification the fields in outputs/data_splits.
"""

import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.tables import write_csv
from pipeline.datasets.decoding import Target, decode
from pipeline.datasets.description import COMPARED_PX, read_dataset
from pipeline.datasets.duplicates import perceptual_hashes, signs
from pipeline.datasets.origins import ORIGINS
from pipeline.datasets.records import RawImage

DATASETS = ("brain_mri", "brain_mri_types")
HASH_SIZE = 16  # 256 bits
MAX_BITS = 14  # between a published image, as it is or mirrored, and its source; the next patient is 28 or more away
MIN_CORRELATION = 0.96  # of the pixels, the second measure
TARGET = Target(COMPARED_PX, COMPARED_PX, 1)


@dataclass(frozen=True)
class Sources:
    """The slices of both collections. table: origin, slice, patient, family; pixels: (M, COMPARED_PX, COMPARED_PX)."""

    table: pd.DataFrame
    pixels: NDArray[np.uint8]


def read_sources(cheng: Path, slices: Path, br35h: Path) -> Sources:
    """Read both collections, with running numbers in place of the identifiers of patients and their families."""
    fields = pd.read_csv(slices, dtype=str).set_index("slice")
    families = fields["patient"].str.replace(r"(?<=\d)[A-Za-z]$", "", regex=True)  # MR024780B and MR024780E: one
    rows, pixels = [], []
    for origin, archive in (("cheng", cheng), ("br35h", br35h)):
        with tarfile.open(archive) as tar:
            for member in tar:
                if file := tar.extractfile(member):
                    rows.append((origin, Path(member.name).stem))
                    pixels.append(decode(file.read(), TARGET).pixels[..., 0])
    table = pd.DataFrame(rows, columns=["origin", "slice"])
    is_cheng = table["origin"] == "cheng"
    for column, names in {"patient": fields["patient"], "family": families}.items():
        numbers = pd.Series(pd.factorize(names)[0] + 1, names.index)  # in the order of the slices
        table[column] = table["slice"].map(numbers).where(is_cheng).astype("Int64")
    return Sources(table, np.stack(pixels))


def matches(records: Sequence[RawImage], sources: Sources) -> pd.DataFrame:
    """Return the published images that are one of the sources, with both measures."""
    pixels = np.stack([decode(bytes(record.data), TARGET).pixels for record in records])
    source_signs = signs(perceptual_hashes(sources.pixels[..., None], HASH_SIZE)[0])
    # (4, N, M) bits that differ; mirrored: not, left to right, top to bottom, both
    bits = np.stack([HASH_SIZE**2 - signs(hashes) @ source_signs.T for hashes in perceptual_hashes(pixels, HASH_SIZE)])
    bits /= 2
    mirror = bits.min(axis=2).argmin(axis=0)
    distances = bits[mirror, np.arange(len(records))]  # (N, M), as the mirror that comes nearest
    nearest = distances.argmin(axis=1)
    matched = sources.table.iloc[nearest].reset_index(drop=True)
    mirrors = (np.s_[:], np.s_[:, ::-1], np.s_[::-1], np.s_[::-1, ::-1])
    pairs = zip(pixels[..., 0], mirror, sources.pixels[nearest], strict=True)
    matched["bits"] = distances.min(axis=1).astype(int)
    matched["correlation"] = [np.corrcoef(x[mirrors[k]].ravel(), y.ravel())[0, 1].round(4) for x, k, y in pairs]
    matched.insert(0, "sample", [record.sha256[:12] for record in records])
    is_match = (matched["bits"] <= MAX_BITS) & (matched["correlation"] >= MIN_CORRELATION)
    return pd.DataFrame(matched[is_match])


def main(cheng: str, slices: str, br35h: str) -> None:
    """Write ORIGINS."""
    sources = read_sources(Path(cheng), Path(slices), Path(br35h))
    published = {dataset: list(read_dataset(Path(), dataset).read(Path())) for dataset in DATASETS}
    table = pd.concat([matches(records, sources) for records in published.values()])
    write_csv(ORIGINS, table.drop_duplicates("sample").sort_values("sample"))


if __name__ == "__main__":
    main(*sys.argv[1:])
