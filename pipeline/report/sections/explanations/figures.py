"""Examples with probabilities and Grad-CAM; kernels with their responses to scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.report.drawing import BLUE, GREY, ORANGE, WIDTH_IN, short, styled
from pipeline.report.formatting import percent

Array = NDArray[Any]
HEAT = LinearSegmentedColormap.from_list("heat", [(0.9, 0.25, 0, 0.0), (1, 0.45, 0, 0.55), (1, 0.95, 0.3, 0.8)])
N_BARS = 4  # of more classes the likeliest are shown, and the rest as one
SIDE_IN, HEADING_IN = 0.88, 0.24


@dataclass(frozen=True)
class Example:
    """A test image with its Grad-CAM and probabilities."""

    image: Array  # (H, W, C) uint8
    cam: Array | None  # (H, W), 0 to 1
    label: int
    predicted: int
    probabilities: Array  # (K,)


def bars(example: Example, classes: Sequence[str]) -> list[tuple[str, float, str]]:
    """Return name, probability and colour, likeliest first; the truth is always among them."""
    p, k = example.probabilities, len(classes)
    order = [int(c) for c in np.argsort(-p, kind="stable")]
    if k > N_BARS + 1:
        order = order[:N_BARS]
        if example.label not in order:
            order[-1] = example.label
    colors = {example.predicted: ORANGE, example.label: BLUE}  # of a hit they are one
    shown = [(classes[c], float(p[c]), colors.get(c, GREY)) for c in order]
    if len(order) < k:
        shown.append((f"{k - len(order)} others", max(0.0, 1 - sum(value for _, value, _ in shown)), GREY))
    return shown


@styled
def examples(shown: Sequence[Example], classes: Sequence[str]) -> Figure:
    """Draw two examples in a row: image, Grad-CAM if there is one, probabilities."""
    rows = [bars(example, classes) for example in shown]
    pitch = max(SIDE_IN + 0.1, 0.24 * len(rows[0]) + 0.1)
    height = pitch * -(-len(shown) // 2) + HEADING_IN

    figure = Figure(figsize=(WIDTH_IN, height))

    def place(i: int, left: float, width: float, tall: float, heading: str) -> Axes:
        """Add axes at `left` inches of its half row, vertically centred."""
        bottom = height - HEADING_IN - pitch * (i // 2) - (pitch + tall) / 2
        box = ((left + WIDTH_IN / 2 * (i % 2)) / WIDTH_IN, bottom / height, width / WIDTH_IN, tall / height)
        axis = figure.add_axes(box)
        if i < 2:
            at = (box[0], 1 - 0.7 * HEADING_IN / height)
            figure.text(*at, heading, fontsize=8.5, color="#555555", va="center")
        return axis

    for i, (example, of_example) in enumerate(zip(shown, rows, strict=True)):
        _picture(place(i, 0.05, SIDE_IN, SIDE_IN, "image"), example.image)
        left = SIDE_IN + 0.12
        if example.cam is not None:
            axis = place(i, left, SIDE_IN, SIDE_IN, "Grad-CAM")
            _picture(axis, example.image.mean(axis=2, keepdims=True).astype(np.uint8))
            axis.imshow(example.cam, cmap=HEAT, vmin=0, vmax=1, interpolation="bilinear")
            left += SIDE_IN + 0.1
        _bars(place(i, left, WIDTH_IN / 2 - 0.12 - left, 0.24 * len(of_example), "probability"), of_example)
    return figure


def _picture(axis: Axes, image: Array) -> None:
    """Draw an image, (H, W, C) uint8."""
    shown = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    axis.imshow(shown, interpolation="nearest" if image.shape[0] < 64 else "antialiased")
    axis.set_axis_off()


def _bars(axis: Axes, rows: Sequence[tuple[str, float, str]]) -> None:
    """Draw bars with the name above each, so that long names have room."""
    for y, (name, value, color) in enumerate(rows):
        axis.barh(y, 1, height=0.22, color="#E4E4E4")
        axis.barh(y, value, height=0.22, color=color)
        ink = "black" if color == GREY else color
        axis.text(0, y - 0.15, short(name, 10), va="bottom", ha="left", color=ink, fontsize=8)
        axis.text(1, y - 0.15, percent(value, 0), va="bottom", ha="right", color=ink, fontsize=8)
    axis.set(xlim=(0, 1), ylim=(len(rows) - 0.85, -0.85))
    axis.set_axis_off()


@styled
def kernels(shown: Mapping[str, Array], maps: Mapping[str, Sequence[Array]], scans: Sequence[Array]) -> Figure:
    """Draw the scans, (H, W, C) uint8, as first column, and each kernel, (C, h, w), above its maps of them, (h, w).

    Without maps the kernels are drawn alone.
    """
    n = len(shown)
    first = 1 if maps else 0
    n_rows = 1 + (len(scans) if maps else 0)
    cell = (WIDTH_IN - 0.1) / (n + first)
    figure = Figure(figsize=(WIDTH_IN, cell * n_rows + 0.3))
    axes = figure.subplots(
        n_rows, n + first, squeeze=False,
        gridspec_kw={"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 1 - 0.26 / (cell * n_rows + 0.3),
                     "wspace": 0.06, "hspace": 0.06},
    )  # fmt: skip
    for axis in axes.flat:
        axis.set_axis_off()
    for row, scan in enumerate(scans if maps else []):
        _picture(axes[row + 1, 0], scan)
    for column, (name, kernel) in enumerate(shown.items()):
        axes[0, column + first].set_title(name, fontsize=8.5, fontweight="normal", pad=3)
        _kernel(axes[0, column + first], kernel)
        for row, response in enumerate(maps.get(name, [])):
            smooth = "nearest" if len(response) < 64 else "antialiased"
            axes[row + 1, column + first].imshow(response, cmap="gray", interpolation=smooth)
    return figure


def _kernel(axis: Axes, kernel: Array) -> None:
    """Draw a kernel, (C, h, w): blue below 0, red above; three channels as colours around grey."""
    most = float(np.abs(kernel).max()) or 1.0
    if len(kernel) == 3:
        axis.imshow(0.5 + kernel.transpose(1, 2, 0) / (2 * most), interpolation="nearest")
    else:
        axis.imshow(kernel.sum(axis=0), cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    axis.set_axis_on()  # the frame, for white edges would vanish
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.spines[:].set(visible=True, color=GREY, lw=0.6)
