"""The language of data/<name>.yaml: the files of the project, and what is wrong with others."""

import re
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from described import ROOT, describe, of_project
from pipeline.core.errors import ConfigError, DataError
from pipeline.datasets.description import check_watched, read_dataset, watched
from pipeline.datasets.json_schema import dataset_schema
from pipeline.datasets.records import RawImage
from pipeline.params import read_params

PARAMS = read_params(ROOT / "params.yaml")
NAMES = sorted(path.stem for path in (ROOT / "data").glob("*.yaml"))


def test_every_file_is_a_data_set_of_params() -> None:
    assert sorted(PARAMS.datasets) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_files_of_the_project(name: str) -> None:
    """What is published is cited, proven by digests, and counted."""
    dataset = of_project(name)
    check_watched(dataset, PARAMS.datasets[name])
    assert len(dataset.class_names(Counter())) >= 2
    assert all(dataset.about.reference.model_dump().values())
    digests = dataset.expected_digests().values()
    assert digests
    assert all(len(sha256) == 64 for sha256 in digests)
    assert set(dataset.n_images) in ({""}, {"train", "test"})
    for file in dataset.source.files():
        assert file.url.startswith(("https://", "package:"))
        assert file.sha256 or dataset.source.content


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_what_the_reader_accepts(name: str) -> None:
    schema = dataset_schema()
    Draft202012Validator.check_schema(schema)
    text = (ROOT / f"data/{name}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    values = YAML(typ="safe").load(text)
    validator = Draft202012Validator(schema)
    assert not list(validator.iter_errors(values))
    for wrong in ({"source": {"fodler": "x"}}, {"image": {"px": 2}}, {"clases": ["a"]}, {"split": {"val": 1.5}}):
        assert list(validator.iter_errors({**values, **wrong}))


def test_a_folder_needs_one_line(tmp_path: Path) -> None:
    dataset = describe(tmp_path, "shapes", source={"folder": "~/shapes"})
    assert watched(dataset) == str(Path("~/shapes").expanduser())
    assert dataset.duplicates.max_bits == 32
    assert dataset.class_names(Counter({"round": 3, "flat": 2})) == ["flat", "round"]


def test_what_is_watched_is_what_is_read(tmp_path: Path) -> None:
    folder, table = (
        describe(tmp_path, "a", source=source) for source in ({"folder": "../shapes"}, {"table": "../cases/all.csv"})
    )
    check_watched(folder, "../shapes/")
    check_watched(table, "../cases")
    with pytest.raises(ConfigError, match=r"in a folder of their own, but all that they share is .*holds the project"):
        watched(describe(tmp_path, "c", source={"table": "cases.csv"}))
    arrays = describe(tmp_path, "b", source={"idx": {"train": {"images": "../mnist/x.gz", "labels": "../mnist/y.gz"}}})
    check_watched(arrays, "../mnist")
    with pytest.raises(ConfigError, match=r"datasets\.a: must be \.\./shapes, so that .* noticed, got data/a\.yaml"):
        check_watched(folder, "data/a.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("classes: [a, b]", r"source: "),
        ("source: {folder: x, archive: y}", r":1: source: must have one key of .*, got folder, archive"),
        ("source: {fodler: x}", r":1: source: must have one key of archive, cifar, folder, .*, got fodler"),
        ("source: {table: x.csv, lable: y}", r":1: source\.lable: .*label"),
        ("source: {folder: x}\nimage: {px: 2}", r":2: image\.px"),
        ("source: {folder: x}\nimage: {fit: stretch}", r":2: image\.fit: .*squash"),
        ("source: {folder: x}\nclases: [a]", r":2: clases: .*classes"),
        ("source: {folder: x}\nclasses: [a, b]\npositive: {classes: [c]}", r":3: positive\.classes\.0: must be one of"),
        ("source: {folder: x}\nsplit: {val: 1.5}", r":2: split\.val"),
        ("source: {folder: x}\nsplit: {val: 0.6, test: 0.5}", r":2: split: .*less than 1 together"),
        ("source: {folder: x}\nduplicates: {max_bits: 32, hash_size: 4}", r":2: duplicates: .*below 8"),
        ("source: {folder: x}\ngroup: {pattern: patient}", r":2: group\.pattern: .*in brackets"),
        ("source: {folder: x}\ngroup: {pattern: '('}", r":2: group\.pattern: .*regular expression"),
        (
            "source: {npz: ../x.npz}\nimage: {channels: 1, standardise: true}",
            r":2: image\.standardise: is for image files",
        ),
        ("source: {folder: x}\nimage: {standardise: true}", r":2: image: .*set channels: 1 too"),
        ("source: {archive: https://a.org/b.zip, sha256: {c.zip: '00'}}", r"source\.sha256\.c\.zip: is no file"),
        ("source: {archive: https://a.org/b/}", r"source: must name files with different names"),
        ("source: {idx: {tset: {images: a, labels: b}}}", r"source\.idx"),
        (
            "source: {idx: {train: {images: https://a.org/x, labels: https://b.org/x}}}",
            r"source: must name files with different names, got x, x",
        ),
        (
            "source: {idx: {train: {images: https://a.org/x, labels: https://b.org/y}}, content: {train: '00'}}",
            r"source\.content: must be left out with several files",
        ),
    ],
)
def test_problems_are_named_with_their_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_dataset(tmp_path, "a")
    assert any(re.search(problem, line) for line in error.value.problems), error.value.problems


def test_a_data_set_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shapes\.yaml does not exist; create it or correct the name"):
        read_dataset(tmp_path, "shapes")


def test_a_wrong_digest_is_shown_with_the_published_one() -> None:
    mnist, brains = of_project("mnist"), of_project("brain_mri")
    assert mnist.wrong_digests(mnist.expected_digests()) == []
    [problem] = brains.wrong_digests({"images": "00"})
    assert problem == f"images: sha256 must be {brains.source.content['images']}, got 00"


def test_missing_files_and_images_are_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        of_project("mnist").check_files(tmp_path)
    assert len(error.value.problems) == 4
    with pytest.raises(DataError) as error:
        of_project("mnist").check_content([RawImage("a", "train", 0, "00" * 32, b"")])
    assert error.value.problems == ["images per part: must be {'train': 60000, 'test': 10000}, got {'train': 1}"]


def test_names_of_classes(tmp_path: Path) -> None:
    listed = describe(tmp_path, "a", source={"npz": "a.npz"}, classes=["normal", "ill"])
    assert [listed.class_of(label) for label in (0, 1, 2, -1, None)] == ["normal", "ill", None, None, None]
    renamed = describe(
        tmp_path, "a", source={"folder": "a"}, classes={"no": "healthy", "yes": "tumor", "maybe": "tumor"}
    )
    assert [renamed.class_of(label) for label in ("yes", "maybe", "x")] == ["tumor", "tumor", None]
    assert renamed.class_names(Counter()) == ["healthy", "tumor"]
