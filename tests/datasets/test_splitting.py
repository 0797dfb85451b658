import numpy as np
import pandas as pd
import pytest

import contract_data
from pipeline.artifacts.samples import PARTS, Samples
from pipeline.core.errors import DataError
from pipeline.datasets import splitting

SHARES = {"test": 0.15, "val": 0.15}


def table_of(groups: list[tuple[str, int, str]]) -> pd.DataFrame:
    """One row per (group, label, official part)."""
    table = pd.DataFrame(groups, columns=["group", "label", "official_part"])
    table["class"] = table["label"].map(lambda k: f"c{k}")
    return table


def random_table(n_groups: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = rng.geometric(0.4, n_groups)
    return table_of([(f"g{g:04d}", g % 3, "") for g in range(n_groups) for _ in range(sizes[g])])


def test_shares_hold_within_each_class():
    table = random_table(900)
    table["part"] = splitting.deal_groups(table, SHARES, seed=1)
    shares = table.groupby("class")["part"].value_counts(normalize=True).unstack()
    assert np.abs(shares["test"] - 0.15).max() < 0.01
    assert np.abs(shares["val"] - 0.15).max() < 0.01
    assert table.groupby("group")["part"].nunique().max() == 1


def test_deterministic_and_independent_of_the_order_of_rows():
    table = random_table(200)
    part = splitting.deal_groups(table, SHARES, seed=1)
    assert part.equals(splitting.deal_groups(table, SHARES, seed=1))
    shuffled = table.sample(frac=1, random_state=0)
    assert splitting.deal_groups(shuffled, SHARES, seed=1).sort_index().equals(part)
    assert not splitting.deal_groups(table, SHARES, seed=2).equals(part)


def test_large_groups_are_neither_favoured_nor_avoided():
    """A group of a tenth of its class stands in test about as often as test's share says."""
    table = table_of([("big", 0, "")] * 20 + [(f"g{k}", 0, "") for k in range(180)])
    drawn = [splitting.deal_groups(table, {"test": 0.2}, seed).iloc[0] for seed in range(300)]
    assert 0.12 < np.mean([part == "test" for part in drawn]) < 0.28


def good_parts() -> pd.DataFrame:
    table = table_of([(f"{part}{label}", label, "") for part in PARTS for label in (0, 1)])
    table["part"] = np.repeat(PARTS, 2)
    return table


def test_guard_passes_a_good_split():
    splitting.check_parts(good_parts(), ["c0", "c1"])


def test_guard_trips_over_a_group_in_two_parts():
    table = good_parts()
    table.loc[5, "group"] = "train1"
    with pytest.raises(DataError, match="group train1: must stand in one part, stands in test, train"):
        splitting.check_parts(table, ["c0", "c1"])


def test_guard_trips_over_a_missing_class():
    table = good_parts()
    with pytest.raises(DataError, match="part val: must hold every class, lacks c1") as error:
        splitting.check_parts(table.drop(index=3), ["c0", "c1"])
    assert len(error.value.problems) == 1
    with pytest.raises(DataError, match="part test: must hold every class, lacks c0, c1"):
        splitting.check_parts(table[table["part"] != "test"], ["c0", "c1"])


@pytest.fixture
def prepared(tmp_path):
    """Writes a prepared folder with the given groups, and splits it."""

    def run(table: pd.DataFrame, keeps_official_test: bool, val: float = 0.2, test: float = 0.2) -> dict[str, Samples]:
        info = contract_data.dataset_info("x", sorted(table["class"].unique()), []).model_copy(
            update={"keeps_official_test": keeps_official_test, "image_shape": (2, 2, 1)}
        )
        table = table.assign(sample=[f"s{k:05d}" for k in range(len(table))])
        images = np.arange(len(table), dtype=np.uint32).view(np.uint8).reshape(-1, 2, 2, 1)
        Samples(images, table, info).write(tmp_path / "prepared")
        splitting.split_dataset(tmp_path / "prepared", tmp_path / "split", seed=1, val=val, test=test)
        return {name: Samples.read(tmp_path / "split" / name) for name in ("development", "test")}

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
            found = samples.info.parts[name].model_dump()
            classes = found.pop("classes")
            assert found == counts
            assert {key: sum(c[key] for c in classes.values()) for key in counts} == counts


def test_same_seed_same_bytes(prepared, tmp_path):
    digests = [prepared(random_table(300), keeps_official_test=False)["development"].info.digest for _ in range(2)]
    assert digests[0] == digests[1]


def test_label_conflicts_stand_in_no_part(prepared):
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
    assert not (tmp_path / "split").exists()
