"""TODO datasets.brain_mri_types."""

from pipeline.datasets.class_folders import content_digests, folder_reader
from pipeline.datasets.registry import DatasetSpec, RawFile, register

CLASSES = ("glioma", "meningioma", "pituitary", "no_tumor")
FILE = "3ea9f4eae54c67e5bddbf6f7a73582967a5f5f79.tar.gz"
FOLDERS = {
    "glioma_tumor": "glioma",
    "meningioma_tumor": "meningioma",
    "pituitary_tumor": "pituitary",
    "no_tumor": "no_tumor",
}

register(
    DatasetSpec(
        name="brain_mri_types",
        classes=CLASSES,
        files=(RawFile(FILE, f"https://github.com/SartajBhuvaji/Brain-Tumor-Classification-DataSet/archive/{FILE}"),),
        read=folder_reader(
            FILE,
            CLASSES,
            {
                f"{top}/{folder}": (name, part)
                for top, part in {"Training": "train", "Testing": "test"}.items()
                for folder, name in FOLDERS.items()
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
