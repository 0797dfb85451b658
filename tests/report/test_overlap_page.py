"""The page of the overlap: counts by class and patient, leaks, and examples outside the test parts."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples
from pipeline.report import overlap_page
from pipeline.stages import overlap, split


def samples(name: str, classes: list[str], positive: list[str], rows: list[tuple[int, str, str, str]]) -> Samples:
    """Return data with rows of label, group, patient and part."""
    table = pd.DataFrame(rows, columns=["label", "group", "patient", "part"])
    table["class"] = np.array(classes)[table["label"]]
    table["copies"], table["origin"] = table["group"], np.where(table["patient"] == "", "", "cheng")
    info = contract_data.dataset_info(name, classes, positive, medical=True)
    images = np.arange(len(rows), dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    return Samples(images, table, info)


DATA = {
    "coarse": samples(
        "coarse",
        ["healthy", "tumor"],
        ["tumor"],
        [(0, "a", "", "train"), (1, "b", "cheng-1", "test"), (1, "c", "", "val"), (1, "d", "", "train")],
    ),
    "fine": samples(
        "fine",
        ["glioma", "other", "none"],
        ["glioma", "other"],
        [
            (2, "u", "", "val"),
            (0, "v", "cheng-1", "train"),
            (0, "v", "cheng-1", "train"),
            (2, "w", "", "train"),
            (1, "x", "", "train"),
        ],
    ),
}
PAIRS = pd.DataFrame({"a": [0, 1, 2, 3], "b": [0, 1, 3, 4], "bits": [3, 0, 1, 7]})
NAMES = ("coarse", "fine")


def test_shared_images_are_counted_by_class_in_both() -> None:
    rows = overlap_page.class_table(NAMES, DATA, PAIRS).rows
    assert rows == [["healthy", "–", "–", "1 / 1"], ["tumor", "1 / 1", "1 / 1", "1 / 1"]]


def test_labels_are_compared_as_positive_and_negative() -> None:
    assert overlap_page.agreement(NAMES, DATA, PAIRS) == "3 of 4 pairs"  # one pair is tumor and none
    plain = DATA["fine"].info.model_copy(update={"positive": []})
    data = {**DATA, "fine": Samples(DATA["fine"].images, DATA["fine"].table, plain)}
    assert overlap_page.agreement(NAMES, data, PAIRS) == "–"
    assert overlap_page.agreement(("fine", "fine"), data, PAIRS) == "2 of 4 pairs"  # the same classes


def test_what_leaks_counts_copies_patients_and_their_groups() -> None:
    rows = overlap_page.leak_rows(DATA, {NAMES: PAIRS.iloc[:1]})
    assert rows == [
        ["coarse", "fine", "5", "1", "2", "1", "3", "60.0 %"],
        ["fine", "coarse", "4", "1", "1", "1", "2", "50.0 %"],
    ]
    assert overlap_page.leak_rows({"fine": DATA["fine"]}, {}) == []


def test_examples_are_outside_the_test_parts_doubtful_first() -> None:
    chosen = overlap_page.example_pairs(NAMES, DATA, PAIRS)
    assert chosen[["a", "b"]].to_numpy().tolist() == [[2, 3], [3, 4], [0, 0]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root with the page of two data sets that hold the same pictures, and a third."""
    layout = Layout(tmp_path_factory.mktemp("overlap"))
    for name, seed in (("one", 0), ("two", 0), ("=3", 1)):
        info = contract_data.dataset_info(name, contract_data.HOSTILE, contract_data.HOSTILE[:1], medical=True)
        contract_data.write_split(layout.prepared(name), layout.split(name), info, seed)
    overlap.run(layout, ["one", "two", "=3"])
    return layout.root


def test_the_page_of_real_stages(root: Path) -> None:
    html = (root / "reports/data/index.html").read_text(encoding="utf-8")
    text = (root / "reports/data/README.md").read_text(encoding="utf-8")
    assert {path.name for path in (root / "reports/data/figures").iterdir()} == {"one-two.png"}
    assert "<script" not in html
    assert "| one and two | 660 of 660 | 660 of 660 |" in text
    assert "| one and =3 | 0 of 660 | 0 of 660 | – | 0 |" in text
    assert re.search(r"\| one \| two \| 660 \| 660 \| 0 \| 0 \| 660 \| 100.0 % \|", text)


def test_no_picture_of_a_test_part_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts that the stage computes are those of the stage split."""
    layout, sealed = Layout(root), {}
    for name in ("one", "two"):
        split.run(layout, name)
        sealed[name] = set(Samples.read(layout.test(name)).table["sample"])
    shown = []
    original = overlap_page.example_pairs

    def noted(names: tuple[str, str], data: dict[str, Samples], pairs: pd.DataFrame) -> pd.DataFrame:
        chosen = original(names, data, pairs)
        shown.extend((name, data[name].table["sample"].iloc[k]) for k in chosen["a"] for name in names[:1])
        shown.extend((name, data[name].table["sample"].iloc[k]) for k in chosen["b"] for name in names[1:])
        return chosen

    monkeypatch.setattr(overlap_page, "example_pairs", noted)
    overlap.run(layout, ["one", "two"])
    assert len(shown) == 2 * overlap_page.N_EXAMPLES
    assert not [sample for name, sample in shown if sample in sealed[name]]
