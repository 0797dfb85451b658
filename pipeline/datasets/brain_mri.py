"""Brain MRI slices with and without a tumour, two folders of mixed file types."""

from pipeline.datasets.archives import class_folders
from pipeline.datasets.registry import DatasetSpec, PositiveClasses, RawFile, Reference, register

CLASSES = ("healthy", "tumor")
FILE = "4dafd13e5bea21d222cc584db558d8b580f156ce.tar.gz"

register(
    DatasetSpec(
        name="brain_mri",
        classes=CLASSES,
        published=class_folders(
            RawFile(FILE, f"https://github.com/vichan7/brain-tumor-images/archive/{FILE}"),
            CLASSES,
            folders={"brain_imgs/no_tumor": ("healthy", ""), "brain_imgs/brain_tumor": ("tumor", "")},
            digest="03ece2eb04e8ccfb91049d5f6bc283f6d7da1d9b85af8a43c46359ea2ebc5be2",
            n_images={"": 4600},
        ),
        reference=Reference(
            citation="Viradiya 2021: Brain Tumor Dataset, Kaggle preetviradiya/brian-tumor-dataset",
            url="https://www.kaggle.com/datasets/preetviradiya/brian-tumor-dataset",
            terms="see the Kaggle page preetviradiya/brian-tumor-dataset",
        ),
        positive=PositiveClasses(("tumor",), "the slice shows a tumour", medical=True),
    )
)
