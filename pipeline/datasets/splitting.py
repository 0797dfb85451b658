"""TODO datasets.splitting."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline.artifacts.samples import DEVELOPMENT, PARTS, PartSize, Samples, Size, label_conflicts
from pipeline.core.errors import DataError
from pipeline.core.seeds import derive_seed
from pipeline.core.yaml_document import Integer, Number, Strict


class SplitSettings(Strict):
    seed: Annotated[Integer, Field(ge=0)]
    val: Annotated[
        Number, Field(gt=0, lt=1, description="share of images; of the official train part where there is one")
    ]
    test: Annotated[Number, Field(ge=0, lt=1, description="share of images; 0 where the official test part is kept")]


def split_dataset(prepared: Path, out: Path, seed: int, val: float, test: float) -> None:
    """val, test: fractions of the images; a data set that keeps its official test part ignores `test`."""
    samples = Samples.read(prepared)
    classes, official = samples.info.classes, samples.info.keeps_official_test
    table = samples.table.copy()
    dropped = _official_parts(table, val, seed) if official else _pooled_parts(table, val, test, seed)
    kept = table["part"] != ""
    check_parts(table[kept], classes)

    parts = {}
    for part in PARTS:
        of_part = table[table["part"] == part]
        by_class = {name: _size(of_part[of_part["class"] == name]) for name in classes}
        parts[part] = PartSize(**_size(of_part).model_dump(), classes=by_class)
    info = samples.info.model_copy(update={"parts": parts, "dropped": dropped})
    for folder, names in {"development": DEVELOPMENT, "test": ("test",)}.items():
        rows = table["part"].isin(names).to_numpy()
        Samples(samples.images[rows], table[rows], info).write(out / folder)


def _size(table: pd.DataFrame) -> Size:
    return Size(images=len(table), groups=int(table["group"].nunique()))


def _pooled_parts(table: pd.DataFrame, val: float, test: float, seed: int) -> dict[str, int]:
    """Sets the column `part`, "" for dropped rows. Returns the number of images dropped per reason."""
    conflict = label_conflicts(table)
    table["part"] = ""
    table.loc[~conflict, "part"] = deal_groups(table[~conflict], {"test": test, "val": val}, seed)
    return {"label_conflict": int(conflict.sum())}


def _official_parts(table: pd.DataFrame, val: float, seed: int) -> dict[str, int]:
    """As _pooled_parts, but the official test part stays whole and `val` is cut from the official train part."""
    conflict = label_conflicts(table)
    official_test = (table["official_part"] == "test") & ~conflict
    official_train = (table["official_part"] == "train") & ~conflict
    leaks = official_train & table["group"].isin(table.loc[official_test, "group"])
    development = official_train & ~leaks
    table["part"] = ""
    table.loc[official_test, "part"] = "test"
    table.loc[development, "part"] = deal_groups(table[development], {"val": val}, seed)
    return {"label_conflict": int(conflict.sum()), "official_train_also_in_test": int(leaks.sum())}


def deal_groups(table: pd.DataFrame, shares: dict[str, float], seed: int) -> "pd.Series[str]":
    """Part per row, whole groups at a time, the shares of images held within each class; the rest is "train".

    A group goes where the middle of its images falls on the shuffled line of its class, so that a large one is
    neither favoured nor avoided. The result depends on the groups' names, not on the order of rows.
    """
    part = pd.Series("train", index=table.index, dtype=object)
    for name, rows in table.groupby("class"):
        sizes = rows.groupby("group").size()  # sorted by group name
        order = np.random.default_rng(derive_seed(seed, "split", str(name))).permutation(len(sizes))
        shuffled = sizes.iloc[order]
        middle = (shuffled.cumsum() - shuffled / 2) / len(rows)
        start = 0.0
        for part_name, share in shares.items():
            chosen = middle.index[(middle >= start) & (middle < start + share)]
            part[rows.index[rows["group"].isin(chosen)]] = part_name
            start += share
    return part


def check_parts(table: pd.DataFrame, classes: list[str]) -> None:
    """Raises DataError if a group stands in two parts or a part lacks a class: a score on them would be worthless."""
    parts_of_group: Any = table.groupby("group")["part"].unique()
    problems = [
        f"group {group}: must stand in one part, stands in {', '.join(sorted(parts))}"
        for group, parts in parts_of_group.items()
        if len(parts) > 1
    ]
    for part in PARTS:
        present = set(table.loc[table["part"] == part, "class"])
        if absent := [c for c in classes if c not in present]:
            problems.append(f"part {part}: must hold every class, lacks {', '.join(absent)}; raise its share")
    if problems:
        raise DataError("the split is unusable", problems)
