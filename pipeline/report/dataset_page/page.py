"""TODO report.dataset_page.page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.samples import PartSize, Samples, label_conflicts
from pipeline.report import drawing
from pipeline.report.dataset_page.figures import balance, mosaic, sizes
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import percent
from pipeline.report.pages import write_page
from pipeline.report.reference_filters import filtered

N_PER_CLASS = 10
N_GROUPS, N_PER_GROUP = 8, 6
N_SIZES = 12


def write_dataset_page(prepared: Path, split: Path, out: Path) -> None:
    """split: the development part, which also tells the counts of the sealed one."""
    everything, development = Samples.read(prepared), Samples.read(split)
    classes, parts = list(development.info.classes), development.info.parts
    grouped = _doubtful_groups(development)

    pictures = [
        _balance_picture(parts, classes),
        _samples_picture(development, classes),
        _filters_picture(development, classes),
    ]
    sizes = _sizes(everything.table)
    if sizes["n"] > 1:
        pictures.append(_sizes_picture(everything.table, sizes["n"]))
    if grouped:
        pictures.append(_groups_picture(development, grouped))
    write_page(
        out / "index.html",
        "dataset_page/page",
        dataset=development.info,
        pictures={p.name: p for p in pictures},
        balance=_balance(parts, classes),
        files=_files(everything.table, classes),
        sizes=sizes,
        leakage=_leakage(everything.table, classes),
        conflicts=_conflicts(everything.table),
        n_joined=int((development.table["group"].value_counts() > 1).sum()),
    )
    drawing.write_pictures(out / "figures", pictures)


def _balance(parts: Mapping[str, PartSize], classes: list[str]) -> list[list[str]]:
    """class, then per part images (groups)."""
    rows = []
    for name in classes:
        cells = [part.classes[name] for part in parts.values()]
        rows.append([name, *(f"{c.images:,} ({c.groups:,})" for c in cells)])
    return rows


def _files(table: pd.DataFrame, classes: list[str]) -> list[list[str]]:
    """format, mode, then images per class: a kind of file that only one class has is a shortcut to learn."""
    counts = table.groupby(["format", "mode", "label"]).size().unstack("label", fill_value=0)
    counts = counts.reindex(columns=range(len(classes)), fill_value=0)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return [[*map(str, kind), *(f"{n:,}" for n in counts.loc[kind])] for kind in order]


def _sizes(table: pd.DataFrame) -> dict[str, Any]:
    counts = table.groupby(["width", "height"]).size().sort_values(ascending=False, kind="stable")
    most = counts.head(N_SIZES).reset_index(name="n").to_numpy()
    rows = [[f"{w} × {h}", f"{n:,}", percent(n / len(table))] for w, h, n in most]
    return {"rows": rows, "n": len(counts)}


def _leakage(table: pd.DataFrame, classes: list[str]) -> list[list[str]] | None:
    """Per class: official test images, and those whose group also stands in the official train part."""
    if not (table["official_part"] == "test").any():
        return None
    in_train = set(table.loc[table["official_part"] == "train", "group"])
    test = table[table["official_part"] == "test"]
    leaked = test["group"].isin(in_train)
    rows = []
    for name, rows_of in [*((c, test["label"] == i) for i, c in enumerate(classes)), ("all", test["label"] >= 0)]:
        n, n_leaked = int(rows_of.sum()), int((rows_of & leaked).sum())
        rows.append([name, f"{n:,}", f"{n_leaked:,}", percent(n_leaked / n) if n else "–"])
    return rows


def _conflicts(table: pd.DataFrame) -> list[list[str]]:
    """group, its labels with counts; the pictures stay out, for some may be of the test part's kind."""
    odd = table[label_conflicts(table)]
    return [
        [str(group), ", ".join(f"{name} ({n})" for name, n in rows["class"].value_counts(sort=False).items())]
        for group, rows in odd.groupby("group")
    ]


def _doubtful_groups(samples: Samples) -> list[NDArray[np.int64]]:
    """Rows of the groups whose pictures differ most, the most doubtful first; equal ones only if nothing else is."""
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
        "balance", png(balance(parts, classes)),
        f"Bars: share of each of {len(classes)} classes in train, val and test; numbers in the table below.",
        "Class balance per part.",
    )  # fmt: skip


def _sizes_picture(table: pd.DataFrame, n: int) -> Picture:
    return Picture(
        "sizes", png(sizes(table)),
        f"Scatter of the height over the width of the published images, {n} different sizes.",
        "Sizes of the published images; area: number of images; dotted: square.",
    )  # fmt: skip


def _samples_picture(samples: Samples, classes: list[str]) -> Picture:
    rng = np.random.default_rng(0)
    labels = samples.table["label"].to_numpy()
    rows, names = [], []
    for label, name in enumerate(classes):
        found = np.flatnonzero(labels == label)
        if found.size:
            chosen = np.sort(rng.choice(found, min(N_PER_CLASS, found.size), replace=False))
            rows.append(np.asarray(samples.images[chosen]))
            names.append(name)
    return Picture(
        "samples", png(mosaic(rows, names, N_PER_CLASS)),
        f"Grid of random images of train and val, one row per class: {', '.join(names)}.",
        "Random images of train and val, one row per class, as the networks see them.", drawn=False,
    )  # fmt: skip


def _filters_picture(samples: Samples, classes: list[str]) -> Picture:
    """One image of each of the first four classes found, as the filters see it."""
    labels = samples.table["label"].to_numpy()
    found = [label for label in range(len(classes)) if (labels == label).any()][:4]
    rows = []
    for label in found:
        image = np.asarray(samples.images[np.flatnonzero(labels == label)[0]], np.float64).mean(axis=2)
        rows.append(np.stack(list(filtered(image).values()))[..., None].astype(np.uint8))
    names = list(filtered(np.zeros((5, 5))))
    return Picture(
        "filters", png(mosaic(rows, [classes[label] for label in found], len(names))),
        f"Grid of {len(found)} images, one row each; columns: {', '.join(names)}.",
        f"Filters made by hand, for comparison with what a network learns. From left to right: {', '.join(names)}.",
        drawn=False,
    )  # fmt: skip


def _groups_picture(samples: Samples, grouped: list[NDArray[np.int64]]) -> Picture:
    rows = [np.asarray(samples.images[index]) for index in grouped]
    names = [str(samples.table["group"].iloc[index[0]]) for index in grouped]
    return Picture(
        "groups", png(mosaic(rows, names, N_PER_GROUP)),
        f"Grid of images that were joined, one row per group: {', '.join(names)}.",
        "Groups of train and val whose pictures differ most, most doubtful first, "
        f"at most {N_PER_GROUP} images each: do they belong together?", drawn=False,
    )  # fmt: skip
