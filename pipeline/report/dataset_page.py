"""The page of one data set: its content, its parts and its groups. Pictures come from the development part only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts.samples import PARTS, PartSize, Samples, label_conflicts
from pipeline.report.drawing import (
    PART_COLORS,
    WIDTH_IN,
    Picture,
    canvas,
    png,
    short,
    smoothing,
    styled,
)
from pipeline.report.formatting import percent
from pipeline.report.pages import write_page
from pipeline.report.reference_filters import filtered

Images = NDArray[np.uint8]  # (n, H, W, C)
N_PER_CLASS = 10
N_GROUPS, N_PER_GROUP = 8, 6
N_SIZES = 12
N_FILTERED = 4  # classes
FILTERS = list(filtered(np.zeros((5, 5))))


def write_dataset_page(everything: Samples, development: Samples, folder: Path) -> None:
    """Write index.html, its Markdown twin and the figures. development: its info counts the sealed test part too."""
    info, table = development.info, everything.table
    sizes = table.groupby(["width", "height"]).size().sort_values(ascending=False, kind="stable")
    commonest = sizes.head(N_SIZES).reset_index(name="n").to_numpy()
    drawn = {"balance": draw_balance(info.parts, info.classes)}
    if len(sizes) > 1:
        drawn["sizes"] = draw_sizes(table)
    samples, filters = _sample_rows(development)
    groups = {str(development.table["copies"].iloc[i[0]]): development.images[i] for i in doubtful_groups(development)}
    rows = {"samples": (samples, N_PER_CLASS), "filters": (filters, len(FILTERS))}
    if groups:
        rows["groups"] = (groups, N_PER_GROUP)
    pictures = {name: Picture(name, png(figure)) for name, figure in drawn.items()}
    pictures |= {name: Picture(name, png(draw_mosaic(*images)), drawn=False) for name, images in rows.items()}
    write_page(
        folder,
        "dataset_page.jinja",
        pictures.values(),
        dataset=info,
        pictures=pictures,
        names={name: ", ".join(images) for name, (images, _) in rows.items()},
        filters=", ".join(FILTERS),
        n_per_group=N_PER_GROUP,
        balance=_balance_rows(info.parts, info.classes),
        n_sizes=len(sizes),
        sizes=[[f"{w} × {h}", f"{n:,}", percent(n / len(table))] for w, h, n in commonest],
        files=_file_rows(table, len(info.classes)),
        leakage=leakage_rows(table, info.classes),
        origins=origin_rows(table),
        similar_identifiers=info.counts.get("groups_if_similar_identifiers_are_one_patient"),
        conflicts=label_conflict_rows(table),
        n_joined=int(development.table["copies"].duplicated(keep=False).sum()),
    )


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
    """Return per class: official test images, and those with a copy, or a copy or their patient, in official train."""
    test = table[table["official_part"] == "test"]
    if test.empty:
        return None
    train = table[table["official_part"] == "train"]
    in_train = pd.DataFrame({"n": True} | {key: test[key].isin(train[key]) for key in ("copies", "group")})
    counts = in_train.groupby(test["label"]).sum().reindex(range(len(classes)), fill_value=0)
    rows = []
    for name, (n, copies, leaked) in zip([*classes, "all"], [*counts.to_numpy(int), in_train.sum()], strict=True):
        share = percent(leaked / n) if n else "–"
        rows.append([name, *(f"{count:,}" for count in (n, copies, leaked)), share])
    return rows


def origin_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return per class and collection the number of images, groups of copies and known patients; none without any."""
    if not table["origin"].any():
        return []
    named = table.assign(origin=table["origin"].replace("", "unknown"))
    rows = []
    for (_, name, origin), images in named.groupby(["label", "class", "origin"]):
        patients = images["patient"][images["patient"] != ""].nunique()
        rows.append([str(name), str(origin), *(f"{n:,}" for n in (len(images), images["copies"].nunique(), patients))])
    return rows


def label_conflict_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return each group with its labels and their counts; no picture, since it may be one of the test part."""
    rows = []
    for group, images in table[label_conflicts(table)].groupby("copies"):
        labels = images["class"].value_counts(sort=False)
        rows.append([str(group), ", ".join(f"{name} ({n})" for name, n in labels.items())])
    return rows


def doubtful_groups(samples: Samples) -> list[NDArray[np.int64]]:
    """Return the rows of groups of copies, those whose pictures differ most first."""
    groups = samples.table.groupby("copies").indices.values()
    joined = [rows for rows in groups if len(rows) > 1]
    gaps = [
        max(float(np.abs(samples.images[i].astype(int) - samples.images[rows[0]]).mean()) for i in rows[1:])
        for rows in joined
    ]
    order = np.argsort(-np.asarray(gaps), kind="stable")[:N_GROUPS]
    return [joined[i][:N_PER_GROUP] for i in order]


def _sample_rows(samples: Samples) -> tuple[dict[str, Images], dict[str, Images]]:
    """Return random images of each class that occurs, and one of each of the first, through every filter."""
    rng = np.random.default_rng(0)
    labels = samples.table["label"].to_numpy()
    chosen: dict[str, Images] = {}
    through: dict[str, Images] = {}
    for label, name in enumerate(samples.info.classes):
        of_class = np.flatnonzero(labels == label)
        if not of_class.size:
            continue
        shown = np.sort(rng.choice(of_class, min(N_PER_CLASS, of_class.size), replace=False))
        chosen[name] = np.asarray(samples.images[shown])
        if len(through) < N_FILTERED:
            image = np.asarray(samples.images[of_class[0]], np.float64).mean(axis=2)
            through[name] = np.stack(list(filtered(image).values()))[..., None].astype(np.uint8)
    return chosen, through


@styled
def draw_balance(parts: Mapping[str, PartSize], classes: Sequence[str]) -> Figure:
    """Draw the share of each class in every part."""
    figure, axes = canvas(0.42 * len(classes) + 1.2)
    axis = axes[0, 0]
    for i, (part, size) in enumerate(parts.items()):
        share = np.array([size.classes[name].images for name in classes]) / size.images
        at = np.arange(len(classes)) + 0.26 * (i - 1)
        axis.barh(at, 100 * share, height=0.24, color=PART_COLORS[part], label=part)
    axis.set_yticks(range(len(classes)), [short(name) for name in classes])
    axis.set(xlabel="share of the part, %", ylim=(len(classes) - 0.45, -0.55))
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9.5)
    return figure


@styled
def draw_sizes(table: pd.DataFrame) -> Figure:
    """Draw the height over the width of the published images, with areas by number."""
    figure, axes = canvas(4.2)
    axis = axes[0, 0]
    counts = table.groupby(["width", "height"]).size().reset_index(name="n")
    area = 10 + 700 * counts["n"] / counts["n"].sum()
    axis.scatter(counts["width"], counts["height"], s=area, color=PART_COLORS["train"], alpha=0.4, lw=0)
    sides = counts[["width", "height"]].to_numpy()
    ends = 0.9 * sides.min(), 1.1 * sides.max()
    axis.plot(ends, ends, color="black", lw=0.8, ls=":")
    axis.set(xlabel="width, pixels", ylabel="height, pixels", xlim=ends, ylim=ends, aspect="equal")
    return figure


def tiles(rows: Sequence[Images], columns: int) -> Images:
    """Return an RGB picture on white, (H, W, 3), with a narrow gap between cells. rows: n <= columns."""
    _, height, width, _ = rows[0].shape
    gap = max(1, width // 16)
    out = np.full((len(rows), height + gap, columns, width + gap, 3), 255, dtype=np.uint8)
    for r, images in enumerate(rows):
        for c, image in enumerate(images):
            out[r, :height, c, :width] = image  # one grey channel broadcasts to three
    return out.reshape(len(rows) * (height + gap), columns * (width + gap), 3)


@styled
def draw_mosaic(rows: Mapping[str, Images], columns: int) -> Figure:
    """Draw a row of images per name."""
    images = list(rows.values())
    picture = tiles(images, columns)
    left = (0.25 + 0.09 * max(len(short(name, 14)) for name in rows)) / WIDTH_IN
    figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * (0.99 - left) * picture.shape[0] / picture.shape[1] + 0.1))
    axis = figure.add_axes((left, 0, 0.99 - left, 1))  # constrained layout clips labels next to a fixed aspect
    axis.imshow(picture, interpolation=smoothing(images[0][0]))
    cell = picture.shape[0] / len(rows)
    axis.set_yticks(cell * (np.arange(len(rows)) + 0.47), [short(name, 14) for name in rows])
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure
