"""Class balance, sizes, and images in a grid."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts.samples import PartSize
from pipeline.report.drawing import PART_COLORS, WIDTH_IN, canvas, short, styled


@styled
def balance(parts: Mapping[str, PartSize], classes: Sequence[str]) -> Figure:
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
def sizes(table: pd.DataFrame) -> Figure:
    """Draw the height over the width of the published images, with areas by number."""
    figure, axes = canvas(4.2)
    axis = axes[0, 0]
    counts = table.groupby(["width", "height"]).size().reset_index(name="n")
    axis.scatter(
        counts["width"], counts["height"], s=10 + 700 * counts["n"] / counts["n"].sum(),
        color=PART_COLORS["train"], alpha=0.4, lw=0,
    )  # fmt: skip
    sides = counts[["width", "height"]].to_numpy()
    low, high = 0.9 * sides.min(), 1.1 * sides.max()
    axis.plot([low, high], [low, high], color="black", lw=0.8, ls=":")
    axis.set(xlabel="width, pixels", ylabel="height, pixels", xlim=(low, high), ylim=(low, high))
    axis.set_aspect("equal")
    return figure


def _mosaic(rows: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Return an RGB picture on white with a narrow gap between cells. rows: (n, H, W, C) each, n <= columns."""
    _, height, width, _ = rows[0].shape
    gap = max(1, width // 16)
    out = np.full((len(rows) * (height + gap), columns * (width + gap), 3), 255, dtype=np.uint8)
    for r, images in enumerate(rows):
        for c, image in enumerate(images):
            top, left = r * (height + gap), c * (width + gap)
            out[top : top + height, left : left + width] = image  # one grey channel broadcasts to three
    return out


@styled
def mosaic(rows: Mapping[str, NDArray[np.uint8]], columns: int) -> Figure:
    """Draw a row of images, (n, H, W, C), per name."""
    images = list(rows.values())
    picture = _mosaic(images, columns)
    left = (0.25 + 0.09 * max(len(short(name, 14)) for name in rows)) / WIDTH_IN
    figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * (0.99 - left) * picture.shape[0] / picture.shape[1] + 0.1))
    axis = figure.add_axes((left, 0, 0.99 - left, 1))  # constrained layout clips labels next to a fixed aspect
    axis.imshow(picture, interpolation="nearest" if images[0].shape[1] < 64 else "antialiased")
    cell = picture.shape[0] / len(rows)
    axis.set_yticks(cell * (np.arange(len(rows)) + 0.47), [short(name, 14) for name in rows])
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure
