"""Brain MRI slices: archives of image files, one folder per class."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.archives import members
from pipeline.datasets import DatasetSpec, RawFile, Record, register

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}


def folder_reader(
    file: str, classes: tuple[str, ...], folders: Mapping[str, tuple[str, str]]
) -> Callable[[Path], Iterator[Record]]:
    """Reader of an archive whose folders name the class.

    folders: path under the archive root -> (class, official part). A file in one of them is an image, whatever its
    suffix; an image suffix elsewhere is a record without a label; tables and texts elsewhere are no records.
    """

    def read(folder: Path) -> Iterator[Record]:
        for source, data in members(folder / file):
            path = PurePosixPath(source)
            place = folders.get(str(path.parent))
            if place is None and path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            label, official_part = (None, "") if place is None else (classes.index(place[0]), place[1])
            yield Record(source, official_part, label, hashlib.sha256(data).hexdigest(), data)

    return read


def content_digests(records: Iterable[Record]) -> dict[str, str]:
    """sha256 over the lines `<sha256>  <path under the archive root>`, sorted by path."""
    lines = [f"{r.sha256}  {r.source}\n" for r in sorted(records, key=lambda r: r.source)]
    return {"images": hashlib.sha256("".join(lines).encode()).hexdigest()}


BRAIN_MRI_CLASSES = ("healthy", "tumor")
BRAIN_MRI_FILE = "4dafd13e5bea21d222cc584db558d8b580f156ce.tar.gz"

register(
    DatasetSpec(
        name="brain_mri",
        classes=BRAIN_MRI_CLASSES,
        files=(RawFile(BRAIN_MRI_FILE, f"https://github.com/vichan7/brain-tumor-images/archive/{BRAIN_MRI_FILE}"),),
        read=folder_reader(
            BRAIN_MRI_FILE,
            BRAIN_MRI_CLASSES,
            {"brain_imgs/no_tumor": ("healthy", ""), "brain_imgs/brain_tumor": ("tumor", "")},
        ),
        content_digests=content_digests,
        digests={"images": "03ece2eb04e8ccfb91049d5f6bc283f6d7da1d9b85af8a43c46359ea2ebc5be2"},
        positive=("tumor",),
        positive_meaning="the slice shows a tumour",
        medical=True,
        terms="see the Kaggle page preetviradiya/brian-tumor-dataset",
        citation="Viradiya 2021: Brain Tumor Dataset, Kaggle preetviradiya/brian-tumor-dataset",
        source_url="https://www.kaggle.com/datasets/preetviradiya/brian-tumor-dataset",
    )
)

TYPES_CLASSES = ("glioma", "meningioma", "pituitary", "no_tumor")
TYPES_FILE = "3ea9f4eae54c67e5bddbf6f7a73582967a5f5f79.tar.gz"
TYPES_FOLDERS = {
    "glioma_tumor": "glioma",
    "meningioma_tumor": "meningioma",
    "pituitary_tumor": "pituitary",
    "no_tumor": "no_tumor",
}

register(
    DatasetSpec(
        name="brain_mri_types",
        classes=TYPES_CLASSES,
        files=(
            RawFile(
                TYPES_FILE, f"https://github.com/SartajBhuvaji/Brain-Tumor-Classification-DataSet/archive/{TYPES_FILE}"
            ),
        ),
        read=folder_reader(
            TYPES_FILE,
            TYPES_CLASSES,
            {
                f"{top}/{folder}": (name, part)
                for top, part in {"Training": "train", "Testing": "test"}.items()
                for folder, name in TYPES_FOLDERS.items()
            },
        ),
        content_digests=content_digests,
        digests={"images": "c5c92df9510003a53455d2c487070e7c76764c2772a4811ff5da4e42c145636b"},
        positive=("glioma", "meningioma", "pituitary"),
        positive_meaning="the slice shows a tumour of any of the three types",
        medical=True,
        terms="see the authors' Kaggle page sartajbhuvaji/brain-tumor-classification-mri",
        citation="Bhuvaji et al. 2020: Brain Tumor Classification (MRI), Kaggle, doi 10.34740/KAGGLE/DSV/1183165",
        source_url="https://www.kaggle.com/datasets/sartajbhuvaji/brain-tumor-classification-mri",
    )
)
