"""TODO datasets.brain_mri."""

from pipeline.datasets.class_folders import content_digests, folder_reader
from pipeline.datasets.registry import DatasetSpec, RawFile, register

CLASSES = ("healthy", "tumor")
FILE = "4dafd13e5bea21d222cc584db558d8b580f156ce.tar.gz"

register(
    DatasetSpec(
        name="brain_mri",
        classes=CLASSES,
        files=(RawFile(FILE, f"https://github.com/vichan7/brain-tumor-images/archive/{FILE}"),),
        read=folder_reader(
            FILE,
            CLASSES,
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
FILE = "3ea9f4eae54c67e5bddbf6f7a73582967a5f5f79.tar.gz"
