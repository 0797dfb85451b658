"""Folders of DICOM and NIfTI files: patients of the header stay together and unnamed, and so do slices of a volume."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from described import describe
from medical_files import dicom, nifti
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError, DataError
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download, prepare, split

pytest.importorskip("pydicom", reason='needs pip install ".[medical]"')
pytest.importorskip("nibabel", reason='needs pip install ".[medical]"')

N_PATIENTS = 24


def scan(k: int) -> np.ndarray:
    """(20, 20) values of -1000 to 999, no two alike."""
    return np.random.default_rng(k).integers(-1000, 1000, (20, 20)).astype(np.int16)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return class folders of DICOM files without a suffix, two of each patient."""
    folder = tmp_path / "scans"
    for k in range(2 * N_PATIENTS):
        patient = k // 2
        keys = {"PatientID": f"HOSP-{4711 + patient}", "PatientName": "Müller^Erika", "PatientBirthDate": "19700131"}
        write(folder / ("ill" if patient % 2 else "well") / f"IM{k:04d}", dicom(scan(k), **keys))
    return folder


def prepared(tmp_path: Path, folder: Path, **keys: object) -> Layout:
    layout = Layout(tmp_path / "project")
    describe(layout.root, "own", source={"folder": str(folder)}, **keys)
    download.run(layout, "own", str(folder), DownloadSettings(timeout_s=1, retries=0))
    prepare.run(layout, "own")
    return layout


DICOM_KEYS = {"group": {"dicom": "PatientID"}, "image": {"window": [0, 2000]}}


def test_patients_of_the_header_are_in_one_part_and_not_named(tmp_path: Path, scans: Path) -> None:
    layout = prepared(tmp_path, scans, **DICOM_KEYS)
    split.run(layout, "own")
    parts = [Samples.read(folder) for folder in (layout.development("own"), layout.test("own"))]
    table = pd.concat([part.table for part in parts])
    assert set(table["patient"]) == {f"patient-{k}" for k in range(1, N_PATIENTS + 1)}
    assert (table.groupby("patient")["part"].nunique() == 1).all()
    of_patient = table.groupby("patient")["source"].agg(lambda of: {int(path[-4:]) // 2 for path in of})
    assert of_patient.str.len().eq(1).all()
    assert parts[0].info.window == (0, 2000)
    assert set(table["format"]) == {"DICOM"}
    written = [path for path in layout.root.rglob("*") if path.is_file() and path.name != "own.yaml"]
    assert len(written) > 8
    for path in written:
        content = path.read_bytes()
        # long enough not to occur in a sha256 or in pixels by chance
        assert not [secret for secret in (b"HOSP-", b"Erika", b"ller^E", b"19700131") if secret in content]


def test_a_path_that_names_the_patient_is_refused(tmp_path: Path, scans: Path) -> None:
    write(scans / "ill" / "hosp-9000_a", dicom(scan(100), PatientID="HOSP-9000"))
    with pytest.raises(DataError, match="1 paths hold the PatientID") as error:
        prepared(tmp_path, scans, **DICOM_KEYS)
    assert error.value.problems == ["ill/hosp-9000_a"]


def test_images_without_an_identifier_are_listed(tmp_path: Path, scans: Path) -> None:
    write(scans / "ill" / "IM0100", dicom(scan(100)))
    with pytest.raises(DataError) as error:
        prepared(tmp_path, scans, **DICOM_KEYS)
    [problem] = error.value.problems
    assert problem.startswith("ill/IM0100: has no PatientID")


def volumes(folder: Path) -> Path:
    for k in range(12):
        voxels = np.stack([scan(100 * k + i) + 1000 for i in range(5)], axis=2)
        voxels[:, :, 0] = 0  # outside of the head
        write(folder / ("ill" if k % 2 else "well") / f"{k}.nii.gz", nifti(voxels))
    return folder


def test_slices_of_a_volume_stay_in_one_part(tmp_path: Path) -> None:
    folder = volumes(tmp_path / "volumes")
    layout = prepared(tmp_path, folder, image={"slices": "all", "px": 20}, split={"val": 0.25, "test": 0.25})
    split.run(layout, "own")
    parts = [Samples.read(of) for of in (layout.development("own"), layout.test("own"))]
    table = pd.concat([part.table for part in parts])
    assert table["sample"].is_unique
    assert len(table) == 12 * 4
    assert set(table["patient"]) == {f"{'ill' if k % 2 else 'well'}/{k}.nii.gz" for k in range(12)}
    assert (table.groupby("patient")["part"].nunique() == 1).all()
    assert parts[0].info.white == 2047


def test_middle_slices_are_one_image_each(tmp_path: Path) -> None:
    table = Samples.read(prepared(tmp_path, volumes(tmp_path / "volumes")).prepared("own")).table
    assert len(table) == 12
    assert set(table["patient"]) == {""}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"group": {"pattern": "(a)", "dicom": "PatientID"}}, "group: must be either `pattern` or `dicom`"),
        ({"group": {}}, "group: must be either"),
        ({"group": {"dicom": "PatientName"}}, "group.dicom: must be 'PatientID'"),
        ({"image": {"window": [0, 0]}}, "image.window.1: "),
        (
            {"source": {"archive": "a.zip", "content": {"images": "0" * 64}}, "image": {"slices": "all"}},
            "image.slices: digests of `content` are of whole files",
        ),
    ],
)
def test_problems_are_named(tmp_path: Path, keys: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        describe(tmp_path, "own", **{"source": {"folder": "x"}, **keys})
    assert any(problem in line for line in error.value.problems), error.value.problems
