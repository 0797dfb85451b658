"""The page of one data set: its content, its parts and its groups. Pictures come from the development part only."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import PARTS, PartSize, Samples, label_conflicts
from pipeline.report.dataset_page.figures import balance, mosaic, sizes
from pipeline.report.drawing import Picture, png, write_pictures
from pipeline.report.formatting import percent
from pipeline.report.pages import write_page
from pipeline.report.reference_filters import filtered
from pipeline.report.table import Table

N_PER_CLASS = 10
N_GROUPS, N_PER_GROUP = 8, 6
N_SIZES = 12


def write_dataset_page(everything: Samples, development: Samples, folder: Path) -> None:
    """Write index.html, its Markdown twin and the figures. development: its info counts the sealed test part too."""
    info, table = development.info, everything.table
    groups = doubtful_groups(development)
    n_sizes = len(table[["width", "height"]].drop_duplicates())
    pictures = [
        _samples_picture(development),
        _filters_picture(development),
        _balance_picture(info.parts, info.classes),
        *([_sizes_picture(table, n_sizes)] if n_sizes > 1 else []),
        *([_groups_picture(development, groups)] if groups else []),
    ]
    conflicts = label_conflict_rows(table)
    leakage = leakage_rows(table, info.classes)
    write_page(
        folder,
        "dataset_page/page.jinja",
        dataset=info,
        pictures={picture.name: picture for picture in pictures},
        balance=Table("Images (groups) per class", ["class", *PARTS], _balance_rows(info.parts, info.classes)),
        sizes=_size_table(table),
        files=Table(
            "Images per kind of file and class",
            ["format", "mode", *info.classes],
            _file_rows(table, len(info.classes)),
            labels=2,
            note="A kind of file or a size that only one class has is a shortcut a network may learn instead of the "
            "content.",
        ),
        counts=Table("Counts", ["step", "n"], _named(info.counts)),
        dropped=Table("Dropped from all parts", ["reason", "images"], _named(info.dropped)),
        conflicts=Table("Label conflicts: in no part", ["group", "labels (images)"], conflicts),
        leakage=leakage
        and Table(
            "Official test images with a duplicate in the official train part",
            ["class", "official test images", "of these also in train", "share"],
            leakage,
        ),
        n_joined=int((development.table["group"].value_counts() > 1).sum()),
        digests={f"published {name}": value for name, value in info.digests.items()},
    )
    write_pictures(folder / "figures", pictures)


def _named(counts: Mapping[str, int]) -> list[list[str]]:
    return [[name.replace("_", " "), f"{n:,}"] for name, n in counts.items()]


def _balance_rows(parts: Mapping[str, PartSize], classes: list[str]) -> list[list[str]]:
    by_class = [[parts[part].classes[name] for part in PARTS] for name in classes]
    return [
        [name, *(f"{c.images:,} ({c.groups:,})" for c in of_class)]
        for name, of_class in zip(classes, by_class, strict=True)
    ]


def _file_rows(table: pd.DataFrame, n_classes: int) -> list[list[str]]:
    """Return format, mode, and images per class, the commonest kind first."""
    counts = table.groupby(["format", "mode", "label"]).size().unstack("label", fill_value=0)
    counts = counts.reindex(columns=range(n_classes), fill_value=0)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return [[*map(str, kind), *(f"{n:,}" for n in counts.loc[kind])] for kind in order]


def _size_table(table: pd.DataFrame) -> Table:
    counts = table.groupby(["width", "height"]).size().sort_values(ascending=False, kind="stable")
    commonest = counts.head(N_SIZES).reset_index(name="n").to_numpy()
    rows = [[f"{w} × {h}", f"{n:,}", percent(n / len(table))] for w, h, n in commonest]
    caption = "Published sizes" if len(counts) == 1 else f"Commonest of {len(counts)} published sizes"
    return Table(caption, ["width × height", "images", "share"], rows)


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


def _balance_picture(parts: Mapping[str, PartSize], classes: list[str]) -> Picture:
    return Picture(
        "balance",
        png(balance(parts, classes)),
        alt=f"Bars: share of each of {len(classes)} classes in train, val and test; the table has the numbers.",
        caption="Class balance per part.",
    )


def _sizes_picture(table: pd.DataFrame, n: int) -> Picture:
    return Picture(
        "sizes",
        png(sizes(table)),
        alt=f"Scatter of the height over the width of the published images, {n} different sizes.",
        caption="Sizes of the published images; area: number of images; dotted: square.",
    )


def _samples_picture(samples: Samples) -> Picture:
    rng = np.random.default_rng(0)
    labels = samples.table["label"].to_numpy()
    rows = {}
    for label, name in enumerate(samples.info.classes):
        of_class = np.flatnonzero(labels == label)
        if of_class.size:
            chosen = np.sort(rng.choice(of_class, min(N_PER_CLASS, of_class.size), replace=False))
            rows[name] = np.asarray(samples.images[chosen])
    return Picture(
        "samples",
        png(mosaic(rows, N_PER_CLASS)),
        alt=f"Grid of random images of train and val, one row per class: {', '.join(rows)}.",
        caption="Random images of train and val, one row per class, as the networks see them.",
        drawn=False,
    )


def _filters_picture(samples: Samples) -> Picture:
    """Filter one image of each of the first four classes that occur."""
    labels = samples.table["label"].to_numpy()
    occurring = [label for label in range(len(samples.info.classes)) if (labels == label).any()][:4]
    rows = {}
    for label in occurring:
        image = np.asarray(samples.images[np.flatnonzero(labels == label)[0]], np.float64).mean(axis=2)
        rows[samples.info.classes[label]] = np.stack(list(filtered(image).values()))[..., None].astype(np.uint8)
    names = ", ".join(filtered(np.zeros((5, 5))))
    return Picture(
        "filters",
        png(mosaic(rows, len(filtered(np.zeros((5, 5)))))),
        alt=f"Grid of {len(rows)} images, one row each; columns: {names}.",
        caption=f"Filters made by hand, for comparison with what a network learns. From left to right: {names}.",
        drawn=False,
    )


def _groups_picture(samples: Samples, groups: list[NDArray[np.int64]]) -> Picture:
    rows = {str(samples.table["group"].iloc[index[0]]): np.asarray(samples.images[index]) for index in groups}
    return Picture(
        "groups",
        png(mosaic(rows, N_PER_GROUP)),
        alt=f"Grid of images that were joined, one row per group: {', '.join(rows)}.",
        caption="Groups of train and val whose pictures differ most, most doubtful first, "
        f"at most {N_PER_GROUP} images each: do they belong together?",
        drawn=False,
    )
