import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import contract_data
from pipeline.artifacts.samples import Samples
from pipeline.report import dataset_page, drawing
from pipeline.report.sections import performance


def write(root: Path, folder: Path) -> None:
    dataset_page.write_dataset_page(Samples.read(root / "prepared"), Samples.read(root / "split/development"), folder)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    info = contract_data.dataset_info("odd", contract_data.HOSTILE, contract_data.HOSTILE[:1], medical=True)
    contract_data.write_split(root / "prepared", root / "split", info)
    write(root, root / "out")
    return root


def test_page_and_figures(root: Path) -> None:
    html = (root / "out/index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert {path.name for path in (root / "out/figures").iterdir()} == {
        "balance.png", "filters.png", "groups.png", "samples.png", "sizes.png"
    }  # fmt: skip
    assert len(re.findall(r'src="data:image/png;base64,', html)) == html.count("<img") == 5
    assert "Research only, not a medical device" in html


def test_what_was_left_out_is_listed_and_what_is_not_stated_is_not_shown(root: Path, tmp_path: Path) -> None:
    info = Samples.read(root / "split/development").info
    own = {"left_out": {"a/<b>.png": "empty or missing file"}, "terms": "", "citation": "", "source_url": ""}
    contract_data.write_split(tmp_path / "prepared", tmp_path / "split", info.model_copy(update=own))
    write(tmp_path, tmp_path / "out")
    html, text = (tmp_path / f"out/{name}" for name in ("index.html", "README.md"))
    assert "Files left out because they cannot be used: 1" in html.read_text()
    assert "a/&lt;b&gt;.png" in html.read_text()
    assert "empty or missing file" in text.read_text()
    assert "<dt>Terms</dt>" not in html.read_text()
    assert "<dt>Terms</dt>" in (root / "out/index.html").read_text()


def test_class_balance_counts_every_part(root: Path) -> None:
    html = (root / "out/index.html").read_text(encoding="utf-8")
    tables = [pd.read_csv(root / "split" / name / "samples.csv") for name in ("development", "test")]
    table = pd.concat(tables)
    of_class = table[table["label"] == 1]
    cells = "".join(
        f"<td>{(of_class['part'] == part).sum()} ({of_class.loc[of_class['part'] == part, 'group'].nunique()})</td>"
        for part in ("train", "val", "test")
    )
    assert f'<th scope="row">=1+1</th>{cells}' in html


def test_pictures_come_from_development_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sealed(np.ndarray):
        def __getitem__(self, key: object) -> object:
            raise AssertionError("a picture outside development was read")

    read = Samples.read

    def guarded(folder: Path) -> Samples:
        samples = read(folder)
        if folder.name == "development":
            return samples
        return Samples(np.asarray(samples.images).view(Sealed), samples.table, samples.info)

    monkeypatch.setattr(Samples, "read", guarded)
    write(root, root / "again")


def test_leakage_counts_test_images_whose_copy_or_patient_is_in_train() -> None:
    table = pd.DataFrame(
        {
            "label": [0, 0, 0, 1, 1],
            "copies": ["a", "a", "b", "c", "c"],
            "group": ["p", "p", "p", "c", "c"],
            "official_part": ["train", "test", "test", "test", "test"],
        }
    )
    assert dataset_page.leakage_rows(table, ["x", "y"]) == [
        ["x", "2", "1", "2", "100.0 %"],
        ["y", "2", "0", "0", "0.0 %"],
        ["all", "4", "1", "2", "50.0 %"],
    ]
    assert dataset_page.leakage_rows(table.assign(official_part=""), ["x", "y"]) is None


def test_origins_are_counted_by_class_and_collection() -> None:
    table = pd.DataFrame(
        {
            "label": [1, 1, 1, 0],
            "class": ["tumor", "tumor", "tumor", "healthy"],
            "copies": ["a", "a", "b", "c"],
            "origin": ["cheng", "cheng", "cheng", ""],
            "patient": ["cheng-1", "cheng-1", "cheng-1", ""],
        }
    )
    assert dataset_page.origin_rows(table) == [["healthy", "unknown", "1", "1", "0"], ["tumor", "cheng", "3", "2", "1"]]
    assert dataset_page.origin_rows(table.assign(origin="")) == []


def test_label_conflicts_are_listed() -> None:
    table = pd.DataFrame({"label": [0, 1, 1], "class": ["x", "y", "y"], "copies": ["a", "a", "b"]})
    assert dataset_page.label_conflict_rows(table) == [["a", "x (1), y (1)"]]


def test_the_most_different_groups_come_first() -> None:
    images = np.zeros((6, 2, 2, 1), dtype=np.uint8)
    images[3] = 90
    table = pd.DataFrame({"copies": ["equal", "equal", "apart", "apart", "alone", "x"]})
    rows = dataset_page.doubtful_groups(Samples(images, table, contract_data.MRI))
    assert [list(row) for row in rows] == [[2, 3], [0, 1]]


def test_mosaic_keeps_grey_and_colour() -> None:
    grey = np.full((2, 4, 4, 1), 7, dtype=np.uint8)
    colour = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    picture = dataset_page.tiles([grey, colour], 3)
    assert picture.shape == (10, 15, 3)
    assert (picture[:4, 5:9] == 7).all()
    assert (picture[5:9, :4] == colour[0]).all()
    assert (picture[5:9, 5:] == 255).all()


def test_names_the_font_lacks_do_not_stop_a_figure() -> None:
    matrix = np.array([[3, 1], [0, 4]])
    figure = performance.confusion({"test": matrix}, ["肿瘤", "$\\broken{"])
    assert isinstance(figure, Figure)
    assert drawing.png(figure).startswith(b"\x89PNG")
