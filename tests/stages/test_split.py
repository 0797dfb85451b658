"""The stage on generated groups: complete, disjoint parts, and what is dropped."""

import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.samples import Samples, SplitPlan
from pipeline.core.errors import DataError
from pipeline.stages import split
from split_tables import random_table, table_of


@pytest.fixture
def prepared(tmp_path):
    """Write a prepared folder with the given groups, and split it."""
    layout = Layout(tmp_path)

    def run(table: pd.DataFrame, keeps_official_test: bool, val: float = 0.2, test: float = 0.2) -> dict[str, Samples]:
        info = contract_data.dataset_info("x", sorted(table["class"].unique()), []).model_copy(
            update={
                "keeps_official_test": keeps_official_test,
                "image_shape": (2, 2, 1),
                "split": SplitPlan(seed=1, val=val, test=test or None),
            }
        )
        table = table.assign(sample=[f"s{k:05d}" for k in range(len(table))])
        images = np.arange(len(table), dtype=np.uint32).view(np.uint8).reshape(-1, 2, 2, 1)
        Samples(images, table, info).write(layout.prepared("x"))
        split.run(layout, "x")
        return {"development": Samples.read(layout.development("x")), "test": Samples.read(layout.test("x"))}

    return run


def test_outputs_are_complete_and_disjoint(prepared):
    table = random_table(300)
    parts = prepared(table, keeps_official_test=False)
    development, test = parts["development"], parts["test"]
    assert set(development.table["part"]) == {"train", "val"}
    assert set(test.table["part"]) == {"test"}
    assert not set(development.table["group"]) & set(test.table["group"])
    assert sorted([*development.table["sample"], *test.table["sample"]]) == [f"s{k:05d}" for k in range(len(table))]
    for samples in parts.values():
        # rows keep their order and their images
        numbers = samples.table["sample"].str[1:].astype(int)
        assert numbers.is_monotonic_increasing
        assert np.array_equal(np.asarray(samples.images).reshape(-1).view(np.uint32), numbers)
        assert samples.info.dropped == {"label_conflict": 0}
        for name in ("train", "val", "test"):
            rows = pd.concat([development.table, test.table]).query("part == @name")
            counts = {"images": len(rows), "groups": rows["group"].nunique()}
            size = samples.info.parts[name].model_dump()
            classes = size.pop("classes")
            assert size == counts
            assert {key: sum(c[key] for c in classes.values()) for key in counts} == counts


def test_same_seed_same_bytes(prepared):
    digests = [prepared(random_table(300), keeps_official_test=False)["development"].info.digest for _ in range(2)]
    assert digests[0] == digests[1]


def test_label_conflicts_are_in_no_part(prepared):
    table = pd.concat([random_table(300), table_of([("clash", 0, ""), ("clash", 1, ""), ("clash", 1, "")])])
    parts = prepared(table, keeps_official_test=False)
    assert parts["test"].info.dropped == {"label_conflict": 3}
    assert not any((samples.table["group"] == "clash").any() for samples in parts.values())
    assert sum(len(samples.table) for samples in parts.values()) == len(table) - 3


def test_the_official_test_part_is_kept_and_what_leaks_is_dropped_from_train(prepared):
    rows = [(f"a{k}", k % 2, "train") for k in range(100)] + [(f"b{k}", k % 2, "test") for k in range(20)]
    rows += [("b0", 0, "train"), ("b0", 0, "train"), ("b1", 1, "train")]  # official train, duplicates of official test
    rows += [("clash", 0, "train"), ("clash", 1, "test")]
    parts = prepared(table_of(rows), keeps_official_test=True, val=0.2, test=0.0)
    test, development = parts["test"].table, parts["development"].table
    assert sorted(test["group"]) == sorted(f"b{k}" for k in range(20))
    assert set(test["official_part"]) == {"test"}
    assert sorted(development["group"]) == sorted(f"a{k}" for k in range(100))
    assert development["part"].value_counts().to_dict() == {"train": 80, "val": 20}
    assert parts["test"].info.dropped == {"label_conflict": 2, "official_train_also_in_test": 3}


def test_too_few_groups_are_an_error_and_nothing_is_written(prepared, tmp_path):
    with pytest.raises(DataError, match="the split is unusable"):
        prepared(table_of([("a", 0, ""), ("b", 1, "")]), keeps_official_test=False)
    assert not Layout(tmp_path).split("x").exists()
