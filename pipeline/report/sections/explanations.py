"""What the winner gets wrong and right, where it looks (Grad-CAM), its first layer and its layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.predictions import probability_columns
from pipeline.report.drawing import BLUE, GREY, ORANGE, WIDTH_IN, Picture, png, short, smoothing, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent
from pipeline.report.reference_filters import KERNELS, responses
from pipeline.report.results import Results

Array = NDArray[Any]
DPI = 128  # scans are large files and hold fewer pixels than that
HEAT = LinearSegmentedColormap.from_list("heat", [(0.9, 0.25, 0, 0.0), (1, 0.45, 0, 0.55), (1, 0.95, 0.3, 0.8)])
N_BARS = 4  # of more classes the likeliest are shown, and the rest as one
SIDE_IN, HEADING_IN = 0.88, 0.24


def context(results: Results) -> dict[str, Any]:
    """Return which run is explained, with its examples and layers."""
    explanations, classes = results.explanations, results.evaluation.classes
    table, layers = explanations.examples, explanations.layers
    rows = table[["kind", "sample", "label", "predicted", "n_wrong"]].to_numpy()
    probabilities = table[probability_columns(classes)].to_numpy()
    return {
        "examples": [
            [kind, sample, classes[label], classes[called], percent(p[called]), n_wrong]
            for (kind, sample, label, called, n_wrong), p in zip(rows, probabilities, strict=True)
        ],
        "n_seeds": len(results.evaluation.runs("winner")),
        "n_scans": int(table["scan"].sum()),
        "filters": ", ".join(KERNELS),
        "n_parameters": f"{layers['parameters'].sum():,}",
        "layers": [
            [row.name or "–", row.kind, row.output or "–", row.formula_px or "–", f"{row.parameters:,}"]
            for row in layers.itertuples()
        ],
    }


def draw(results: Results) -> list[Picture]:
    """Draw errors and hits, and the kernels of the first layer."""
    explanations, table = results.explanations, results.explanations.examples
    shown: dict[str, Figure] = {}
    for kind in ("error", "hit"):
        rows = np.flatnonzero(table["kind"] == kind).tolist()
        if rows:
            shown[f"{kind}s"] = examples(explanations, rows, results.evaluation.classes)
    scans = [explanations.images[i] for i in np.flatnonzero(table["scan"])]
    if explanations.maps is not None:
        filtered = [responses(scan.astype(np.float64).mean(axis=2)) for scan in scans]
        maps = {name: [of_scan[name] for of_scan in filtered] for name in KERNELS}
        shown["filters"] = kernels({name: kernel[None] for name, kernel in KERNELS.items()}, maps, scans)
    if explanations.kernels is not None:
        learned = {str(i): kernel for i, kernel in enumerate(explanations.kernels, 1)}
        of_scans = {} if explanations.maps is None else dict(zip(learned, map(list, explanations.maps), strict=True))
        shown["kernels"] = kernels(learned, of_scans, scans)
    return [Picture(name, png(figure, DPI), drawn=False) for name, figure in shown.items()]


def bars(p: Array, label: int, predicted: int, classes: Sequence[str]) -> list[tuple[str, float, str]]:
    """Return name, probability and colour, likeliest first; the truth is always among them. p: (K,) probabilities."""
    k, order = len(classes), np.argsort(-p, kind="stable").tolist()
    if k > N_BARS + 1:
        order = order[:N_BARS]
        if label not in order:
            order[-1] = label
    colors = {predicted: ORANGE, label: BLUE}  # of a hit they are one
    shown = [(classes[c], float(p[c]), colors.get(c, GREY)) for c in order]
    if len(order) < k:
        shown.append((f"{k - len(order)} others", max(0.0, 1 - sum(value for _, value, _ in shown)), GREY))
    return shown


@styled
def examples(of: Explanations, rows: Sequence[int], classes: list[str]) -> Figure:
    """Draw two examples in a row: image, Grad-CAM if there is one, probabilities. rows: of the examples."""
    probabilities = of.examples[probability_columns(classes)].to_numpy()
    called = of.examples[["label", "predicted"]].to_numpy()
    all_bars = [bars(probabilities[i], called[i, 0], called[i, 1], classes) for i in rows]
    pitch = max(SIDE_IN + 0.1, 0.24 * len(all_bars[0]) + 0.1)
    height = pitch * -(-len(rows) // 2) + HEADING_IN
    figure = Figure(figsize=(WIDTH_IN, height))

    def place(i: int, left: float, width: float, tall: float, heading: str) -> Axes:
        """Add axes at `left` inches of its half row, vertically centred."""
        bottom = height - HEADING_IN - pitch * (i // 2) - (pitch + tall) / 2
        box = ((left + WIDTH_IN / 2 * (i % 2)) / WIDTH_IN, bottom / height, width / WIDTH_IN, tall / height)
        if i < 2:
            figure.text(box[0], 1 - 0.7 * HEADING_IN / height, heading, fontsize=8.5, color="#555555", va="center")
        return figure.add_axes(box)

    for i, (row, of_row) in enumerate(zip(rows, all_bars, strict=True)):
        _picture(place(i, 0.05, SIDE_IN, SIDE_IN, "image"), of.images[row])
        left = SIDE_IN + 0.12
        if of.cams is not None:
            axis = place(i, left, SIDE_IN, SIDE_IN, "Grad-CAM")
            _picture(axis, of.images[row].mean(axis=2, keepdims=True).astype(np.uint8))
            axis.imshow(of.cams[row], cmap=HEAT, vmin=0, vmax=1, interpolation="bilinear")
            left += SIDE_IN + 0.1
        _bars(place(i, left, WIDTH_IN / 2 - 0.12 - left, 0.24 * len(of_row), "probability"), of_row)
    return figure


def _picture(axis: Axes, image: Array) -> None:
    """Draw an image, (H, W, C) uint8."""
    axis.imshow(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, interpolation=smoothing(image))
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
    next_to = scans if maps else []
    n_rows, n_columns = 1 + len(next_to), len(shown) + bool(maps)
    height = (WIDTH_IN - 0.1) / n_columns * n_rows + 0.3
    figure = Figure(figsize=(WIDTH_IN, height))
    ends = {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 1 - 0.26 / height}
    axes = figure.subplots(n_rows, n_columns, squeeze=False, gridspec_kw={**ends, "wspace": 0.06, "hspace": 0.06})
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, scan in zip(axes[1:, 0], next_to, strict=True):
        _picture(axis, scan)
    for column, (name, kernel) in zip(axes[:, bool(maps) :].T, shown.items(), strict=True):
        column[0].set_title(name, fontsize=8.5, fontweight="normal", pad=3)
        _kernel(column[0], kernel)
        for axis, response in zip(column[1:], maps.get(name, []), strict=True):
            axis.imshow(response, cmap="gray", interpolation=smoothing(response))
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


SECTION = Section(order=100, title="Explanations", context=context, figures=draw)
