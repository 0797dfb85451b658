"""Data sets of libraries: files below data/raw, read offline, and what to do where they cannot be downloaded."""

import hashlib
import io
import json
import sys
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from described import describe
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.core.errors import ConfigError, DataError, DownloadError, InputError
from pipeline.datasets.fetch import DownloadSettings
from pipeline.datasets.sources.torchvision import BY_SPLIT, WITHOUT_PARTS, Name
from pipeline.stages import download, prepare

SETTINGS = DownloadSettings(timeout_s=1, retries=0)
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "project")


def downloaded_and_prepared(layout: Layout, **keys: object) -> Samples:
    describe(layout.root, "own", **keys)
    download.run(layout, "own", "data/own.yaml", SETTINGS)
    prepare.run(layout, "own")
    return Samples.read(layout.prepared("own"))


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.tobytes())


def write_fashion(folder: Path) -> np.ndarray:
    """Write small files in torchvision's layout of FashionMNIST; return all images."""
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    for prefix, rows in (("train", slice(20)), ("t10k", slice(20, 30))):
        write_idx(folder / f"FashionMNIST/raw/{prefix}-images-idx3-ubyte", images[rows])
        write_idx(folder / f"FashionMNIST/raw/{prefix}-labels-idx1-ubyte", (np.arange(30) % 2).astype(np.uint8)[rows])
    return images


def test_a_data_set_of_torchvision(layout: Layout, empty_home: Path) -> None:
    images = write_fashion(layout.raw("own"))
    samples = downloaded_and_prepared(
        layout, source={"torchvision": "FashionMNIST"}, classes=["T-shirt", "trouser"], images={"train": 20, "test": 10}
    )
    assert samples.info.keeps_official_test
    assert samples.info.image_shape == (28, 28, 1)
    rows = [int(source.partition("#")[2]) for source in samples.table["source"]]
    for image, row, part, name in zip(
        samples.images[..., 0], rows, samples.table["official_part"], samples.table["class"], strict=True
    ):
        k = row + 20 * (part == "test")
        assert np.array_equal(image, images[k])
        assert name == ["T-shirt", "trouser"][k % 2]
    assert not list(empty_home.iterdir())


def test_torchvision_without_a_network(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{CLOSED}/"])
    describe(layout.root, "own", source={"torchvision": "FashionMNIST"})
    with pytest.raises(DownloadError, match=r"FashionMNIST cannot be downloaded; .* into .*data/raw/own"):
        download.run(layout, "own", "data/own.yaml", SETTINGS)
    with pytest.raises(DataError, match="run: dvc repro download@own"):
        prepare.run(layout, "own")


def test_parts_of_a_joined_data_set_have_folders_of_their_own(layout: Layout) -> None:
    for name in ("a", "b"):
        write_fashion(layout.raw("own") / name)
    sources = [{"name": name, "torchvision": "FashionMNIST"} for name in "ab"]
    samples = downloaded_and_prepared(layout, sources=sources)
    assert samples.table["origin"].value_counts().to_dict() == {"a": 30, "b": 30}
    assert samples.info.counts["groups_of_copies"] == 30


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a package medmnist that knows one data set."""
    module = ModuleType("medmnist")
    module.INFO = {"pneumoniamnist": {"url": f"{CLOSED}/pneumoniamnist.npz", "MD5": "0" * 32}}
    monkeypatch.setitem(sys.modules, "medmnist", module)
    return module


MEDMNIST = {"source": {"medmnist": "pneumoniamnist"}, "classes": ["normal", "pneumonia"]}


def test_a_data_set_of_medmnist(layout: Layout, package: ModuleType, empty_home: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 12), ("val", 4), ("test", 6)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{part}_labels"] = np.arange(n)[:, None] % 2
    path = layout.raw("own") / "pneumoniamnist.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **arrays)
    package.INFO["pneumoniamnist"]["MD5"] = hashlib.md5(path.read_bytes()).hexdigest()
    samples = downloaded_and_prepared(layout, **MEDMNIST)
    assert samples.table["official_part"].value_counts().to_dict() == {"train": 12, "test": 6, "val": 4}
    assert samples.info.classes == ["normal", "pneumonia"]
    assert not list(empty_home.iterdir())


def test_medmnist_without_a_network_or_with_another_name(layout: Layout, package: ModuleType) -> None:
    describe(layout.root, "own", **MEDMNIST)
    with pytest.raises(DownloadError, match=rf"download {CLOSED}/pneumoniamnist.npz elsewhere and put it at .*npz: "):
        download.run(layout, "own", "data/own.yaml", SETTINGS)
    with pytest.raises(DataError, match="run: dvc repro download@own"):
        prepare.run(layout, "own")
    for source, problem in (
        ({"medmnist": "pneumonia"}, "must be one of pneumoniamnist, got 'pneumonia'; did you mean 'pneumoniamnist'"),
        ({"medmnist": "pneumoniamnist", "size": 64}, "is not published with 64 px"),
    ):
        describe(layout.root, "own", source=source)
        with pytest.raises(InputError, match=problem):
            download.run(layout, "own", "data/own.yaml", SETTINGS)


def test_a_missing_package_is_named(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medmnist", None)
    describe(layout.root, "own", **MEDMNIST)
    with pytest.raises(InputError, match=r'pip install "\.\[medmnist\]", or download the \.npz and write'):
        download.run(layout, "own", "data/own.yaml", SETTINGS)


def test_torchvision_has_other_data_sets_that_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        describe(tmp_path, "own", source={"torchvision": "FashonMNIST"})
    assert any("did you mean 'FashionMNIST'" in problem for problem in error.value.problems)


def write_parquet(path: Path, n: int, seed: int) -> None:
    """Write what the Hub makes of a set of images: bytes and path, numbers of classes, and their names as metadata."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (20, 20), np.uint8)).save(buffer, "PNG")
        rows.append({"image": {"bytes": buffer.getvalue(), "path": f"{k}.png"}, "label": k % 2, "id": k})
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Replace the download from the Hub by generated files; return the calls."""
    import huggingface_hub

    calls: list[dict[str, object]] = []

    def snapshot_download(name: str, **keys: object) -> None:
        calls.append({"name": name, **keys})
        for part, n in (("train", 70), ("validation", 4), ("test", 6)):
            write_parquet(Path(str(keys["local_dir"])) / "default" / part / "0000.parquet", n, seed=n)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return calls


def test_a_data_set_of_the_hub(layout: Layout, hub: list[dict[str, object]], empty_home: Path) -> None:
    samples = downloaded_and_prepared(layout, source={"huggingface": "someone/pets"})
    assert samples.info.classes == ["cat", "dog"]
    assert samples.table["official_part"].value_counts().to_dict() == {"train": 70, "test": 6, "val": 4}
    assert samples.table["source"].min() == "default/test/0000.parquet#0"
    assert [(call["name"], call["repo_type"], call["revision"]) for call in hub] == [
        ("someone/pets", "dataset", "refs/convert/parquet")
    ]
    assert Path(str(hub[0]["local_dir"])).is_relative_to(layout.raw("own"))
    download.run(layout, "own", "data/own.yaml", SETTINGS)
    assert len(hub) == 1
    assert not list(empty_home.iterdir())


def test_columns_and_configurations_of_the_hub(layout: Layout, hub: list[dict[str, object]]) -> None:
    with pytest.raises(DataError, match="no column 'lable', has image, label, id; did you mean 'label'"):
        downloaded_and_prepared(layout, source={"huggingface": "someone/pets", "label": "lable"})
    write_parquet(layout.raw("own") / "someone--pets/other/train/0000.parquet", 4, seed=1)
    with pytest.raises(DataError, match="has the configurations default, other; choose one by `config`"):
        prepare.run(layout, "own")
    samples = downloaded_and_prepared(layout, source={"huggingface": "someone/pets", "config": "default"})
    assert samples.info.counts["images"] == 80


def test_the_hub_without_a_network(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def snapshot_download(name: str, **keys: object) -> None:
        raise ConnectionError("refused\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    describe(layout.root, "own", source={"huggingface": "someone/pets"})
    with pytest.raises(DownloadError, match="describe them as `folder`, `table` or `archive`") as error:
        download.run(layout, "own", "data/own.yaml", SETTINGS)
    assert error.value.problems == ["huggingface_hub: refused"]
    with pytest.raises(DataError, match="run: dvc repro download@own"):
        prepare.run(layout, "own")


def test_torchvision_takes_the_arguments_that_it_is_given() -> None:
    from torchvision import datasets

    names = get_args(Name)
    assert len(names) > 5
    for name in names:
        known = signature(getattr(datasets, name)).parameters
        assert {"root", "download"} <= set(known)
        chosen = "split" if name in BY_SPLIT else "train"
        assert (chosen in known) != (name in WITHOUT_PARTS)
