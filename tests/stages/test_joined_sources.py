"""Several sources as one data set: origins, patients, classes, digests, and what DVC watches."""

import hashlib
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from described import describe
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError, DataError, DownloadError
from pipeline.datasets.description import check_watched, watched
from pipeline.datasets.fetch import DownloadSettings
from pipeline.stages import download, prepare

SETTINGS = DownloadSettings(timeout_s=1, retries=0)
URL = "http://127.0.0.1:9/scans.zip"


def picture(k: int) -> bytes:
    """Draw noise, no two alike."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(k).integers(0, 256, (20, 20), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder of two hospitals, each with a patient 1."""
    folder = tmp_path / "images"
    for k in range(8):
        path = folder / "a" / ("ill" if k % 2 else "well") / f"patient{k // 2}_{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(k))
    (folder / "b").mkdir()
    rows = []
    for k in range(6):
        (folder / "b" / f"{k}.png").write_bytes(picture(100 + k))
        rows.append({"image": f"{k}.png", "label": "tumour" if k % 2 else "none", "case": f"patient{k // 2}"})
    pd.DataFrame(rows).to_csv(folder / "b/cases.csv", index=False)
    return folder


def hospitals(images: Path) -> list[dict[str, object]]:
    return [
        {"name": "hospital_a", "folder": str(images / "a")},
        {"name": "hospital_b", "table": str(images / "b/cases.csv"), "group": "case"},
    ]


CLASSES = {"well": "healthy", "none": "healthy", "ill": "tumor", "tumour": "tumor"}


def test_origins_classes_and_patients_of_two_hospitals(tmp_path: Path, images: Path) -> None:
    layout = Layout(tmp_path / "project")
    keys = {"classes": CLASSES, "group": {"pattern": r"(patient\d+)_"}, "images": 14}
    dataset = describe(layout.root, "own", sources=hospitals(images), **keys)
    assert watched(dataset) == str(images)
    download.run(layout, "own", str(images), SETTINGS)
    prepare.run(layout, "own")
    samples = Samples.read(layout.prepared("own"))
    assert samples.info.classes == ["healthy", "tumor"]
    assert Counter(samples.table["origin"]) == {"hospital_a": 8, "hospital_b": 6}
    assert all(samples.table["source"].str.split("/").str[0] == samples.table["origin"])
    patients = samples.table.groupby("patient")["source"].agg(lambda of: {path.split("/")[0] for path in of})
    assert patients["hospital_a/patient1"] == {"hospital_a"}
    assert patients["hospital_b/patient1"] == {"hospital_b"}
    assert samples.info.counts["known_patients"] == samples.info.counts["groups"] == 7


def test_what_is_watched_holds_all_local_sources(tmp_path: Path) -> None:
    def dataset(*paths: str):
        sources = [{"name": f"s{k}", "folder": path} for k, path in enumerate(paths)]
        return describe(tmp_path / "project", "own", sources=[*sources, {"name": "remote", "archive": URL}])

    assert watched(dataset()) == "data/own.yaml"
    assert watched(dataset("../scans/a")) == "../scans/a"
    assert watched(dataset("../scans/a", "../scans/b/c")) == "../scans"
    assert watched(dataset("../scans/a", str(Path.cwd().parent / "scans/b"))) == str(Path.cwd().parent / "scans")
    check_watched(dataset("../scans/a", "../scans/b"), "../scans")
    with pytest.raises(ConfigError, match=r"datasets\.own: must be \.\./scans, .* got \.\./scans/a"):
        check_watched(dataset("../scans/a", "../scans/b"), "../scans/a")
    for paths in (("../a", "../b"), (str(tmp_path / "a"), str(tmp_path / "b")), ("a", "b")):
        with pytest.raises(ConfigError, match=r"which holds the project; move them below one folder, such as \.\./own"):
            watched(dataset(*paths))


def zipped(path: Path, start: int) -> str:
    """Write an archive of two classes; return its content digest."""
    files = {f"{kind}/{k}.png": picture(start + k + 50 * (kind == "ill")) for k in range(4) for kind in ("ill", "well")}
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_archives_of_one_name_are_fetched_and_checked_apart(tmp_path: Path) -> None:
    layout, mirror = Layout(tmp_path / "project"), tmp_path / "mirror"
    digests = {name: zipped(mirror / "own" / name / "scans.zip", start) for name, start in (("a", 1000), ("b", 2000))}
    sha256 = hashlib.sha256((mirror / "own/b/scans.zip").read_bytes()).hexdigest()

    def describe_with(content: str) -> None:
        first = {"name": "a", "archive": URL, "content": {"images": content}}
        second = {"name": "b", "archive": URL, "sha256": {"scans.zip": sha256}}
        describe(layout.root, "own", sources=[first, second])

    settings = DownloadSettings(mirrors=[str(mirror)], timeout_s=1, retries=0)
    describe_with(digests["b"])
    with pytest.raises(DownloadError) as error:
        download.run(layout, "own", "data/own.yaml", settings)
    assert any(f"a/images: sha256 must be {digests['b']}" in line for line in error.value.problems)
    describe_with(digests["a"])
    download.run(layout, "own", "data/own.yaml", settings)
    prepare.run(layout, "own")
    info = Samples.read(layout.prepared("own")).info
    assert info.digests == {"a/images": digests["a"], "b/scans.zip": sha256}
    assert info.counts["images"] == 16


def test_arrays_are_joined_if_they_have_one_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, side in (("a", 28), ("b", 28), ("c", 32)):
        labels = np.arange(6) % 2
        np.savez(tmp_path / f"{name}.npz", images=rng.integers(0, 256, (6, side, side), np.uint8), labels=labels)
    project = tmp_path / "project"
    sources = [{"name": name, "npz": str(tmp_path / f"{name}.npz")} for name in "abc"]
    describe(project, "own", sources=sources[:2], classes=["no", "yes"])
    prepare.run(Layout(project), "own")
    samples = Samples.read(Layout(project).prepared("own"))
    assert Counter(samples.table["origin"]) == {"a": 6, "b": 6}
    assert samples.info.image_shape == (28, 28, 1)
    describe(project, "own", sources=sources, classes=["no", "yes"])
    with pytest.raises(DataError) as error:
        prepare.run(Layout(project), "own")
    assert error.value.problems == ["a: (28, 28, 1)", "c: (32, 32, 1)"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, "source: must be given, or several `sources`, but not both"),
        ({"source": {"folder": "x"}, "sources": [{"name": "a", "folder": "y"}]}, "but not both"),
        ({"sources": []}, "sources: must name a source"),
        ({"sources": [{"folder": "x"}]}, "sources.0.name: must be letters, digits and _, another for each source"),
        ({"sources": [{"name": "a/b", "folder": "x"}]}, "got 'a/b'"),
        ({"sources": [{"name": "a", "folder": "x"}, {"name": "a", "folder": "y"}]}, "sources.1.name: "),
        ({"sources": [{"name": "a", "fodler": "x"}]}, "sources.0: must have one key of"),
        ({"sources": [{"name": "a", "table": "x", "lable": "y"}]}, "sources.0.lable: "),
        (
            {"sources": [{"name": "a", "folder": "x"}, {"name": "b", "npz": "y"}]},
            "must all be image files, or all arrays, got a: folder, b: npz",
        ),
    ],
)
def test_problems_are_named(tmp_path: Path, keys: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        describe(tmp_path, "own", **keys, images=3)
    assert any(problem in line for line in error.value.problems), error.value.problems
