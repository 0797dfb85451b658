"""Groups assigned to parts, and the guard over the result."""

import numpy as np
import pandas as pd
import pytest

from pipeline.artifacts.samples import PARTS
from pipeline.core.errors import DataError
from pipeline.datasets import splitting
from split_tables import random_table, table_of

SHARES = {"test": 0.15, "val": 0.15}


def test_shares_hold_within_each_class():
    table = random_table(900)
    table["part"] = splitting.assign_groups(table, SHARES, seed=1)
    shares = table.groupby("class")["part"].value_counts(normalize=True).unstack()
    assert np.abs(shares["test"] - 0.15).max() < 0.01
    assert np.abs(shares["val"] - 0.15).max() < 0.01
    assert table.groupby("group")["part"].nunique().max() == 1


def test_deterministic_and_independent_of_the_order_of_rows():
    table = random_table(200)
    part = splitting.assign_groups(table, SHARES, seed=1)
    assert part.equals(splitting.assign_groups(table, SHARES, seed=1))
    shuffled = table.sample(frac=1, random_state=0)
    assert splitting.assign_groups(shuffled, SHARES, seed=1).sort_index().equals(part)
    assert not splitting.assign_groups(table, SHARES, seed=2).equals(part)


def test_large_groups_are_neither_favoured_nor_avoided():
    """A group of a tenth of its class is in test about as often as test's share suggests."""
    table = table_of([("big", 0, "")] * 20 + [(f"g{k}", 0, "") for k in range(180)])
    drawn = [splitting.assign_groups(table, {"test": 0.2}, seed).iloc[0] for seed in range(300)]
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
    with pytest.raises(DataError, match="group train1: must be in one part, is in test, train"):
        splitting.check_parts(table, ["c0", "c1"])


def test_guard_trips_over_a_missing_class():
    table = good_parts()
    with pytest.raises(DataError, match="part val: must hold every class, lacks c1") as error:
        splitting.check_parts(table.drop(index=3), ["c0", "c1"])
    assert len(error.value.problems) == 1
    with pytest.raises(DataError, match="part test: must hold every class, lacks c0, c1"):
        splitting.check_parts(table[table["part"] != "test"], ["c0", "c1"])
