"""Origins and patients of published images: the table of facts, and groups that patients join."""

import re

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets import splitting
from pipeline.datasets.origins import ORIGINS, families_of, join_patients, origins_of
from pipeline.datasets.preparation import count_samples
from split_tables import random_table


@pytest.fixture(scope="module")
def origins() -> pd.DataFrame:
    return pd.read_csv(ORIGINS, dtype=str, keep_default_na=False)


def test_each_published_image_has_one_origin_and_numbers_in_place_of_identifiers(origins: pd.DataFrame) -> None:
    assert origins["sample"].is_unique
    assert origins["sample"].is_monotonic_increasing
    assert all(re.fullmatch("[0-9a-f]{12}", sample) for sample in origins["sample"])
    assert set(origins["origin"]) == {"cheng", "br35h"}
    cheng = origins[origins["origin"] == "cheng"]
    assert set(origins.loc[origins["origin"] == "br35h", ["patient", "family"]].to_numpy().ravel()) == {""}
    assert cheng.groupby("slice")["patient"].nunique().max() == 1
    assert cheng.groupby("patient")["family"].nunique().max() == 1
    patients, families = cheng["patient"].astype(int), cheng["family"].astype(int)
    assert (patients.nunique(), patients.max()) == (225, 233)  # the collection has 233
    assert families.nunique() < patients.nunique()


def test_each_match_is_confirmed_by_a_second_measure(origins: pd.DataFrame) -> None:
    bits, correlation = origins["bits"].astype(int), origins["correlation"].astype(float)
    assert bits.max() <= 14
    assert correlation.min() >= 0.96
    assert bits[origins["origin"] == "cheng"].max() <= 8


def test_origin_and_patient_are_found_by_the_published_file_alone(origins: pd.DataFrame) -> None:
    known = origins[origins["origin"] == "cheng"].iloc[0]
    rows = origins_of([known["sample"] + "0" * 52, "f" * 64])
    assert rows.to_numpy().tolist() == [["cheng", f"cheng-{known['patient']}"], ["", ""]]
    assert families_of([known["sample"] + "0" * 52, "f" * 64]) == [known["family"], ""]


def test_patients_join_groups_of_copies_transitively() -> None:
    copies = np.array([0, 0, 1, 2, 3, 4])
    groups = join_patients(copies, ["", "p", "p", "q", "", ""])
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups.tolist())) == 4
    chained = join_patients(np.array([0, 0, 1, 1]), ["p", "q", "q", "r"])
    assert len(set(chained.tolist())) == 1


def test_without_patients_groups_are_the_copies() -> None:
    copies = np.array([2, 0, 2, 1])
    groups = join_patients(copies, [""] * 4)
    assert np.array_equal(groups[:, None] == groups, copies[:, None] == copies)


def test_a_patient_with_images_of_two_classes_stays_in_one_part() -> None:
    table = random_table(300)
    table.loc[table["group"].isin(table["group"].unique()[::7]), "group"] = "patient"
    assert table.groupby("group")["class"].nunique().max() > 1
    for seed in range(20):
        table["part"] = splitting.assign_groups(table, {"test": 0.2, "val": 0.2}, seed)
        assert table.groupby("group")["part"].nunique().max() == 1
        assert table["part"].notna().all()


def test_similar_identifiers_join_more_groups(origins: pd.DataFrame) -> None:
    known = origins[origins["family"].map(origins.drop_duplicates("patient")["family"].value_counts()) > 1]
    family = known["family"].iloc[0]
    rows = known[known["family"] == family].drop_duplicates("patient")
    sha256s = [*rows["sample"], "f" * 12]
    table = pd.DataFrame({"sha256": sha256s, "copies": sha256s, "label": 0, **origins_of(sha256s)})
    table["group"] = join_patients(np.arange(len(table)), list(table["patient"]))
    counts = count_samples(table, np.zeros(len(table), np.int64))
    assert counts["groups"] == len(rows) + 1 >= 3
    assert counts["groups_if_similar_identifiers_are_one_patient"] == 2
    unknown = count_samples(table.iloc[-1:], np.zeros(1, np.int64))
    assert "groups_if_similar_identifiers_are_one_patient" not in unknown
