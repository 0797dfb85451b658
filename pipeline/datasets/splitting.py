"""Split a data set into train, val and test: whole groups, with equal shares of every class."""

import numpy as np
import pandas as pd

from pipeline.artifacts.samples import PARTS, PartSize, Size, SplitPlan, label_conflicts
from pipeline.core.errors import DataError
from pipeline.core.seeds import derive_seed

DEFAULT_SHARE = 0.15  # of val and test


def split_groups(table: pd.DataFrame, plan: SplitPlan, *, keeps_official_test: bool) -> dict[str, int]:
    """Set the column `part`, "" for dropped rows. Return reason -> number of dropped images.

    keeps_official_test: the official test part stays whole, and so does the official val part, if there is one and
    the plan has no share of val. A group of a part that is kept whole is dropped from the others: first test keeps
    its images, then val. Without an official val part, `val` is taken from the other images.
    """
    conflict = label_conflicts(table)
    dropped = {"label_conflict": int(conflict.sum())}
    shares = {"test": plan.test or DEFAULT_SHARE, "val": plan.val or DEFAULT_SHARE}
    rows = ~conflict
    table["part"] = ""
    kept = ["test"] if keeps_official_test else []
    official = set(table.loc[rows, "official_part"])
    if plan.val is None and "val" in official and (keeps_official_test or "test" not in official):
        kept.append("val")
    for part in kept:
        own = rows & (table["official_part"] == part)
        rows &= ~own
        leaks = rows & table["group"].isin(table.loc[own, "group"])
        for name, n in table.loc[leaks, "official_part"].value_counts().items():
            dropped[f"official_{name or 'other'}_also_in_{part}"] = int(n)
        table.loc[own, "part"] = part
        rows &= ~leaks
        del shares[part]
    table.loc[rows, "part"] = assign_groups(table[rows], shares, plan.seed)
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
