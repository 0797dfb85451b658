"""The page of one data set: its content, its parts and its groups. Pictures come from the development part only."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import PARTS, PartSize, Samples, label_conflicts
from pipeline.report.dataset_page import figures
from pipeline.report.drawing import Picture, png, write_pictures
from pipeline.report.formatting import percent
from pipeline.report.pages import write_page
from pipeline.report.reference_filters import filtered

N_PER_CLASS = 10
N_GROUPS, N_PER_GROUP = 8, 6
N_SIZES = 12
FILTERS = list(filtered(np.zeros((5, 5))))


def write_dataset_page(everything: Samples, development: Samples, folder: Path) -> None:
    """Write index.html, its Markdown twin and the figures. development: its info counts the sealed test part too."""
    info, table = development.info, everything.table
    groups = doubtful_groups(development)
    sizes = table.groupby(["width", "height"]).size().sort_values(ascending=False, kind="stable")
    shown = {"balance": figures.balance(info.parts, info.classes)}
    commonest = sizes.head(N_SIZES).reset_index(name="n").to_numpy()
    if len(sizes) > 1:
        shown["sizes"] = figures.sizes(table)
    pictures = {name: Picture(name, png(figure)) for name, figure in shown.items()}
    rows = {"samples": _random_samples(development), "filters": _filtered(development)}
    if groups:
        names = development.table["group"].iloc[[index[0] for index in groups]]
        rows["groups"] = {str(n): np.asarray(development.images[i]) for n, i in zip(names, groups, strict=True)}
    columns = {"samples": N_PER_CLASS, "filters": len(FILTERS), "groups": N_PER_GROUP}
    for name, images in rows.items():
        pictures[name] = Picture(name, png(figures.mosaic(images, columns[name])), drawn=False)
    write_page(
        folder,
        "dataset_page/page.jinja",
        dataset=info,
        pictures=pictures,
        names={name: ", ".join(images) for name, images in rows.items()},
        filters=", ".join(FILTERS),
        n_per_group=N_PER_GROUP,
        balance=_balance_rows(info.parts, info.classes),
        n_sizes=len(sizes),
        sizes=[[f"{w} × {h}", f"{n:,}", percent(n / len(table))] for w, h, n in commonest],
        files=_file_rows(table, len(info.classes)),
        leakage=leakage_rows(table, info.classes),
        conflicts=label_conflict_rows(table),
        n_joined=int((development.table["group"].value_counts() > 1).sum()),
    )
    write_pictures(folder / "figures", pictures.values())


def _balance_rows(parts: Mapping[str, PartSize], classes: list[str]) -> list[list[str]]:
    rows = []
    for name in classes:
        of_parts = [parts[part].classes[name] for part in PARTS]
        rows.append([name, *(f"{size.images:,} ({size.groups:,})" for size in of_parts)])
    return rows


def _file_rows(table: pd.DataFrame, n_classes: int) -> list[list[str]]:
    """Return format, mode, and images per class, the commonest kind first."""
    counts = table.groupby(["format", "mode", "label"]).size().unstack("label", fill_value=0)
    counts = counts.reindex(columns=range(n_classes), fill_value=0)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return [[*map(str, kind), *(f"{n:,}" for n in counts.loc[kind])] for kind in order]


def leakage_rows(table: pd.DataFrame, classes: list[str]) -> list[list[str]] | None:
    """Return per class: official test images, and those whose group is also in the official train part."""
    test = table[table["official_part"] == "test"]
    if test.empty:
        return None
    leaked = test["group"].isin(table.loc[table["official_part"] == "train", "group"])
    of_classes = {name: test["label"] == i for i, name in enumerate(classes)} | {"all": test["label"] >= 0}
    rows = []
    for name, of_class in of_classes.items():
        n, n_leaked = int(of_class.sum()), int((of_class & leaked).sum())
        rows.append([name, f"{n:,}", f"{n_leaked:,}", percent(n_leaked / n) if n else "–"])
    return rows


def label_conflict_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return each group with its labels and their counts; no picture, since it may be one of the test part."""
    rows = []
    for group, images in table[label_conflicts(table)].groupby("group"):
        labels = images["class"].value_counts(sort=False)
        rows.append([str(group), ", ".join(f"{name} ({n})" for name, n in labels.items())])
    return rows


def doubtful_groups(samples: Samples) -> list[NDArray[np.int64]]:
    """Return the rows of groups, those whose pictures differ most first."""
    table = samples.table
    sizes = table.groupby("group")["group"].transform("size")
    joined = table[sizes > 1]
    if joined.empty:
        return []
    rows = [np.asarray(index, dtype=np.int64) for index in joined.groupby("group").groups.values()]
    apart = [
        max(float(np.abs(samples.images[i].astype(int) - samples.images[r[0]]).mean()) for i in r[1:]) for r in rows
    ]
    order = np.argsort(-np.asarray(apart), kind="stable")[:N_GROUPS]
    return [rows[i][:N_PER_GROUP] for i in order]


def _random_samples(samples: Samples) -> dict[str, NDArray[np.uint8]]:
    """Return up to N_PER_CLASS random images of each class that occurs."""
    rng = np.random.default_rng(0)
    labels = samples.table["label"].to_numpy()
    rows = {}
    for label, name in enumerate(samples.info.classes):
        of_class = np.flatnonzero(labels == label)
        if of_class.size:
            chosen = np.sort(rng.choice(of_class, min(N_PER_CLASS, of_class.size), replace=False))
            rows[name] = np.asarray(samples.images[chosen])
    return rows


def _filtered(samples: Samples) -> dict[str, NDArray[np.uint8]]:
    """Return one image of each of the first four classes that occur, through every filter."""
    labels = samples.table["label"].to_numpy()
    occurring = [label for label in range(len(samples.info.classes)) if (labels == label).any()][:4]
    rows = {}
    for label in occurring:
        image = np.asarray(samples.images[np.flatnonzero(labels == label)[0]], np.float64).mean(axis=2)
        rows[samples.info.classes[label]] = np.stack(list(filtered(image).values()))[..., None].astype(np.uint8)
    return rows
