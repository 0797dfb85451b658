import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts import samples as samples_file
from pipeline.artifacts.image_rows import ImageRows
from pipeline.artifacts.samples import Samples, label_conflicts, samples_digest
from pipeline.core.errors import DataError
from pipeline.core.files import read_json, write_json

# ids that look like numbers, infinities or gaps to a careless reader
IDS = ["000000000012", "1234567890e1", "111111111111", "00e000000000"]


@pytest.fixture
def samples():
    table = pd.DataFrame(
        {
            "sample": IDS,
            "label": [0, 1, 0, 1],
            "class": ["None", "NaN", "None", "NaN"],
            "copies": IDS[::-1],
            "group": IDS,
            "origin": ["", "NA", "1", "cheng"],
            "patient": ["", "", "001", "cheng-7"],
            "official_part": ["train", "", "", "test"],
            "source": ["=1+1", "a,b", 'quote"', "naïve\nline"],
            "sha256": [i * 5 for i in IDS],
            "part": ["train", "val", "train", "train"],
        }
    )
    images = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    return Samples(
        images,
        table,
        contract_data.dataset_info("x", ["None", "NaN"], []).model_copy(update={"image_shape": (2, 2, 3)}),
    )


def test_round_trip(tmp_path, samples):
    samples.write(tmp_path)
    again = Samples.read(tmp_path)
    assert isinstance(again.images, np.memmap)
    assert np.array_equal(again.images, samples.images)
    assert again.table.to_dict("list") == samples.table.to_dict("list")
    assert again.info == samples.info.model_copy(update={"digest": samples_digest(tmp_path)})


def test_part(tmp_path, samples):
    images, labels = samples.part("train")
    assert np.array_equal(images, samples.images[[0, 2, 3]])
    assert (labels.tolist(), labels.dtype) == ([0, 0, 1], np.int64)
    assert len(samples.part("test")[0]) == 0


def test_large_parts_remain_on_disk(samples, monkeypatch):
    n_table = samples.table.memory_usage(deep=True).sum()
    assert samples.memory() == (0, 4 * 12 + n_table)
    monkeypatch.setattr(samples_file, "IN_MEMORY_BYTES", 2 * 12)
    assert samples.memory() == (3 * 12, 12 + n_table)
    assert isinstance(samples.part("train")[0], ImageRows)
    assert isinstance(samples.part("val")[0], np.ndarray)
    for part in ("train", "val"):
        assert np.array_equal(samples.part(part)[0][:], samples.images[samples.table["part"] == part])


def test_same_samples_same_digest(tmp_path, samples):
    for name in "ab":
        samples.write(tmp_path / name)
    assert samples_digest(tmp_path / "a") == samples_digest(tmp_path / "b")


@pytest.mark.parametrize("name", ["images.npy", "samples.csv", "dataset.json"])
def test_a_missing_file_is_named(tmp_path, samples, name):
    samples.write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"{name}: no such file"):
        Samples.read(tmp_path)


@pytest.mark.parametrize("name", ["images.npy", "samples.csv"])
def test_a_flipped_bit_is_noticed(tmp_path, samples, name):
    samples.write(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[-2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="data changed since they were written"):
        Samples.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_description_is_named(tmp_path, samples, text):
    samples.write(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.json is damaged"):
        Samples.read(tmp_path)


def test_rows_must_agree(tmp_path, samples):
    Samples(samples.images[:3], samples.table, samples.info).write(tmp_path)
    with pytest.raises(DataError, match="4 rows"):
        Samples.read(tmp_path)
    samples.write(tmp_path)
    write_json(tmp_path / "dataset.json", read_json(tmp_path / "dataset.json") | {"image_shape": [2, 2, 1]})
    with pytest.raises(DataError, match=r"shape \(2, 2, 1\)"):
        Samples.read(tmp_path)


def test_label_conflicts_mark_all_copies():
    table = pd.DataFrame({"copies": ["a", "b", "a", "c", "c"], "label": [0, 1, 1, 2, 2]})
    assert label_conflicts(table).tolist() == [True, False, True, False, False]


def test_the_positive_score_sums_the_positive_classes():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    info = contract_data.dataset_info("x", ["a", "b", "c"], ["c", "a"])
    assert info.positive_score(probabilities) == pytest.approx([0.7, 0.8])
    none = contract_data.dataset_info("x", ["a", "b", "c"], [])
    assert none.positive_score(probabilities[None]).tolist() == [[0.0, 0.0]]
