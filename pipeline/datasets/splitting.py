"""Split a data set into train, val and test: whole groups, with equal shares of every class."""

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.artifacts.samples import PARTS, PartSize, Size, label_conflicts
from pipeline.core.errors import DataError
from pipeline.core.seeds import derive_seed
from pipeline.core.yaml_document import Integer, Number, Strict


class SplitSettings(Strict):
    """`datasets.<name>.split` of params.yaml."""

    seed: Annotated[Integer, Field(ge=0)]
    val: Annotated[
        Number, Field(gt=0, lt=1, description="share of images; of the official train part where there is one")
    ]
    test: Annotated[Number, Field(ge=0, lt=1, description="share of images; 0 where the official test part is kept")]


def split_groups(table: pd.DataFrame, settings: SplitSettings, *, keeps_official_test: bool) -> dict[str, int]:
    """Set the column `part`, "" for dropped rows. Return reason -> number of dropped images.

    keeps_official_test: the official test part stays whole, and `val` is taken from the official train part.
    """
    conflict = label_conflicts(table)
    dropped = {"label_conflict": int(conflict.sum())}
    shares = {"test": settings.test, "val": settings.val}
    rows = ~conflict
    table["part"] = ""
    if keeps_official_test:
        test = rows & (table["official_part"] == "test")
        train = rows & (table["official_part"] == "train")
        leaks = train & table["group"].isin(table.loc[test, "group"])
        dropped["official_train_also_in_test"] = int(leaks.sum())
        table.loc[test, "part"] = "test"
        rows = train & ~leaks
        shares = {"val": settings.val}
    table.loc[rows, "part"] = assign_groups(table[rows], shares, settings.seed)
    return dropped


def assign_groups(table: pd.DataFrame, shares: dict[str, float], seed: int) -> "pd.Series[str]":
    """Return the part of each row: whole groups, with the shares of images kept within each class; the rest is "train".

    The groups of a class are shuffled and laid end to end; the midpoint of a group decides its part, so that large
    groups are neither favoured nor avoided. The result depends on the groups' names, not on the order of rows. The
    images of a patient can be of several classes: such a group belongs to its commonest, the first of equal ones.
    """
    of_class = table.groupby(["group", "class"]).size().sort_values(ascending=False, kind="stable").reset_index()
    sizes = table.groupby("group").size()  # sorted by group name
    part = pd.Series("train", index=sizes.index, dtype=object)
    for name, groups in of_class.drop_duplicates("group").groupby("class")["group"]:
        own = sizes[sizes.index.isin(groups)]
        order = np.random.default_rng(derive_seed(seed, "split", str(name))).permutation(len(own))
        shuffled = own.iloc[order]
        midpoint = (shuffled.cumsum() - shuffled / 2) / own.sum()
        start = 0.0
        for part_name, share in shares.items():
            part[midpoint.index[(midpoint >= start) & (midpoint < start + share)]] = part_name
            start += share
    return table["group"].map(part)


def check_parts(table: pd.DataFrame, classes: list[str]) -> None:
    """Raise DataError if a group is in two parts or a part lacks a class: a score on them would be worthless."""
    table = table[table["part"] != ""]
    problems = []
    for group, parts in table.groupby("group")["part"]:
        if parts.nunique() > 1:
            problems.append(f"group {group}: must be in one part, is in {', '.join(sorted(parts.unique()))}")
    for part in PARTS:
        present = set(table.loc[table["part"] == part, "class"])
        if absent := [c for c in classes if c not in present]:
            problems.append(f"part {part}: must hold every class, lacks {', '.join(absent)}; raise its share")
    if problems:
        raise DataError("the split is unusable", problems)


def part_sizes(table: pd.DataFrame, classes: list[str]) -> dict[str, PartSize]:
    """Return the number of images and groups of each part, in all and by class."""

    def size(rows: pd.DataFrame) -> dict[str, int]:
        return {"images": len(rows), "groups": int(rows["group"].nunique())}

    sizes = {}
    for part in PARTS:
        rows = table[table["part"] == part]
        by_class = {name: Size(**size(rows[rows["class"] == name])) for name in classes}
        sizes[part] = PartSize(**size(rows), classes=by_class)
    return sizes
