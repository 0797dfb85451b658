"""What the winner gets wrong and right, where it looks (Grad-CAM), its first layer and its layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import probability_columns
from pipeline.artifacts.explanations import Explanations
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import percent
from pipeline.report.reference_filters import KERNELS, responses
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.explanations.figures import Example, examples, kernels
from pipeline.report.table import Table

DPI = 128  # scans are large files and hold fewer pixels than that
ORDERS = {"error": "surest first", "hit": "as many classes as fit"}


def context(results: Results) -> dict[str, Any]:
    """Return which run is explained, and its examples and layers as tables."""
    explanations, n_seeds = results.explanations, len(results.evaluation.runs("winner"))
    layers = explanations.layers
    return {
        "info": explanations.info,
        "examples": _examples(explanations, results.evaluation.classes, n_seeds),
        "summary": f"{len(layers)} layers, {layers['parameters'].sum():,} parameters, fixed ones included",
        "layers": Table(
            "The winner, layer by layer",
            ["layer", "kind", "output, channels × height × width", "⌊(I + 2P − K) / S⌋ + 1, pixels", "parameters"],
            [
                [row.name or "–", row.kind, row.output or "–", row.formula_px or "–", f"{row.parameters:,}"]
                for row in layers.itertuples()
            ],
            labels=2,
        ),
    }


def _examples(explanations: Explanations, classes: list[str], n_seeds: int) -> Table:
    rows = []
    table = explanations.examples[["sample", "label", "predicted", "n_wrong"]].to_numpy()
    for (sample, label, called, n_wrong), p in zip(table, _probabilities(explanations, classes), strict=True):
        rows.append([sample, classes[label], classes[called], percent(p[called]), n_wrong])
    return Table(
        "Examples, in the order of the pictures",
        ["sample", "truth", "called", "probability of the called class", f"wrong under, of {n_seeds} seeds"],
        rows,
    )


def _probabilities(explanations: Explanations, classes: list[str]) -> NDArray[np.float64]:
    """Return (N, K)."""
    return explanations.examples[probability_columns(classes)].to_numpy()


def draw(results: Results) -> list[Picture]:
    """Draw errors and hits, and the kernels of the first layer."""
    explanations, classes = results.explanations, results.evaluation.classes
    kinds = explanations.examples["kind"].to_numpy()
    pictures = [_example_picture(explanations, classes, kind) for kind in ORDERS if (kinds == kind).any()]
    scans = [explanations.images[i] for i in np.flatnonzero(explanations.examples["scan"])]
    if explanations.maps is not None:
        pictures.append(_filters(scans))
    if explanations.kernels is not None:
        pictures.append(_kernels(explanations, explanations.kernels, scans))
    return pictures


def _example_picture(explanations: Explanations, classes: list[str], kind: str) -> Picture:
    p, cams, table = _probabilities(explanations, classes), explanations.cams, explanations.examples
    labels, predicted = table["label"].to_numpy(), table["predicted"].to_numpy()
    rows = np.flatnonzero(table["kind"] == kind)
    shown = [
        Example(explanations.images[i], None if cams is None else cams[i], labels[i], predicted[i], p[i]) for i in rows
    ]
    listed = "; ".join(
        f"{classes[labels[i]]} called {classes[predicted[i]]}, {percent(p[i, predicted[i]], 0)}" for i in rows
    )
    attention = " In the middle: what spoke for the called class (Grad-CAM), each scaled to its own maximum."
    return Picture(
        f"{kind}s",
        png(examples(shown, classes), DPI),
        alt=f"{len(rows)} test images with the probability of the likeliest classes: {listed}.",
        caption=f"Test {kind}s, {ORDERS[kind]}, one image per group. Blue: the truth; orange: called instead."
        f"{'' if cams is None else attention}",
        drawn=False,
    )


def _filters(scans: list[NDArray[np.uint8]]) -> Picture:
    filtered = [responses(scan.astype(np.float64).mean(axis=2)) for scan in scans]
    maps = {name: [of_scan[name] for of_scan in filtered] for name in KERNELS}
    return Picture(
        "filters",
        png(kernels({name: kernel[None] for name, kernel in KERNELS.items()}, maps, scans), DPI),
        alt=f"Kernels of {', '.join(KERNELS)} above their responses to {len(scans)} test images.",
        caption="Filters made by hand, above their responses to the same test images, in grey from the least to the "
        "largest value. Kernels: blue below 0, red above.",
        drawn=False,
    )


def _kernels(explanations: Explanations, learned: NDArray[np.float32], scans: list[NDArray[np.uint8]]) -> Picture:
    names, maps = [str(i + 1) for i in range(len(learned))], explanations.maps
    of_scans = {} if maps is None else {name: list(of_kernel) for name, of_kernel in zip(names, maps, strict=True)}
    fixed = "" if explanations.info.learned else ", computed from train and fixed, not learned"
    below = (
        ", above their feature maps (before normalisation and activation)."
        if of_scans
        else (": the weights of a unit, one for each pixel.")
    )
    return Picture(
        "kernels",
        png(kernels(dict(zip(names, learned, strict=True)), of_scans, scans), DPI),
        alt=f"The {len(learned)} largest kernels of the winner's first layer"
        f"{f' above their feature maps of {len(scans)} test images' if of_scans else ''}.",
        caption=f"The {len(learned)} largest of {explanations.info.n_kernels} kernels of the first layer{fixed}{below}",
        drawn=False,
    )


SECTION = Section(order=100, title="Explanations", context=context, figures=draw)
