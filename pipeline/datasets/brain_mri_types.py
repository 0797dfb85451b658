"""Brain MRI slices with one of three kinds of tumour or none, in official Training and Testing folders."""

from pipeline.datasets.archives import class_folders
from pipeline.datasets.registry import DatasetSpec, PositiveClasses, RawFile, Reference, register

TUMOURS = ("glioma", "meningioma", "pituitary")
CLASSES = (*TUMOURS, "no_tumor")
FILE = "3ea9f4eae54c67e5bddbf6f7a73582967a5f5f79.tar.gz"
CLASS_OF_FOLDER = {f"{tumour}_tumor": tumour for tumour in TUMOURS} | {"no_tumor": "no_tumor"}
PART_OF_FOLDER = {"Training": "train", "Testing": "test"}

register(
    DatasetSpec(
        name="brain_mri_types",
        classes=CLASSES,
        published=class_folders(
            RawFile(FILE, f"https://github.com/SartajBhuvaji/Brain-Tumor-Classification-DataSet/archive/{FILE}"),
            CLASSES,
            folders={
                f"{top}/{folder}": (name, part)
                for top, part in PART_OF_FOLDER.items()
                for folder, name in CLASS_OF_FOLDER.items()
            },
            digest="c5c92df9510003a53455d2c487070e7c76764c2772a4811ff5da4e42c145636b",
            n_images={"train": 2870, "test": 394},
        ),
        reference=Reference(
            citation="Bhuvaji et al. 2020: Brain Tumor Classification (MRI), Kaggle, doi 10.34740/KAGGLE/DSV/1183165",
            url="https://www.kaggle.com/datasets/sartajbhuvaji/brain-tumor-classification-mri",
            terms="see the authors' Kaggle page sartajbhuvaji/brain-tumor-classification-mri",
        ),
        positive=PositiveClasses(TUMOURS, "the slice shows a tumour of any of the three types", medical=True),
    )
)
