"""What the winner gets wrong and right, where it looks (Grad-CAM), its first layer and its layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.predictions import probability_columns
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import percent
from pipeline.report.reference_filters import KERNELS, responses
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections.explanations.figures import Example, examples, kernels

DPI = 128  # scans are large files and hold fewer pixels than that


def context(results: Results) -> dict[str, Any]:
    """Return which run is explained, with its examples and layers."""
    table, layers, classes = results.explanations.examples, results.explanations.layers, results.evaluation.classes
    rows = table[["kind", "sample", "label", "predicted", "n_wrong"]].to_numpy()
    shown = [
        [kind, sample, classes[label], classes[called], percent(p[called]), n_wrong]
        for (kind, sample, label, called, n_wrong), p in zip(rows, _probabilities(results), strict=True)
    ]
    return {
        "info": results.explanations.info,
        "examples": shown,
        "n_seeds": len(results.evaluation.runs("winner")),
        "n_scans": int(table["scan"].sum()),
        "filters": ", ".join(KERNELS),
        "has_cam": results.explanations.cams is not None,
        "has_maps": results.explanations.maps is not None,
        "n_parameters": f"{layers['parameters'].sum():,}",
        "layers": [
            [row.name or "–", row.kind, row.output or "–", row.formula_px or "–", f"{row.parameters:,}"]
            for row in layers.itertuples()
        ],
    }


def _probabilities(results: Results) -> NDArray[np.float64]:
    """Return (N, K)."""
    return results.explanations.examples[probability_columns(results.evaluation.classes)].to_numpy()


def draw(results: Results) -> list[Picture]:
    """Draw errors and hits, and the kernels of the first layer."""
    explanations, table = results.explanations, results.explanations.examples
    pictures = []
    for kind in ("error", "hit"):
        rows = np.flatnonzero(table["kind"] == kind).tolist()
        if rows:
            shown = examples([_example(results, i) for i in rows], results.evaluation.classes)
            pictures.append(Picture(f"{kind}s", png(shown, DPI), drawn=False))
    scans = [explanations.images[i] for i in np.flatnonzero(table["scan"])]
    if explanations.maps is not None:
        filtered = [responses(scan.astype(np.float64).mean(axis=2)) for scan in scans]
        maps = {name: [of_scan[name] for of_scan in filtered] for name in KERNELS}
        by_hand = kernels({name: kernel[None] for name, kernel in KERNELS.items()}, maps, scans)
        pictures.append(Picture("filters", png(by_hand, DPI), drawn=False))
    if explanations.kernels is not None:
        learned = {str(i + 1): kernel for i, kernel in enumerate(explanations.kernels)}
        of_scans = {} if explanations.maps is None else dict(zip(learned, map(list, explanations.maps), strict=True))
        pictures.append(Picture("kernels", png(kernels(learned, of_scans, scans), DPI), drawn=False))
    return pictures


def _example(results: Results, i: int) -> Example:
    explanations, row = results.explanations, results.explanations.examples.iloc[i]
    cam = None if explanations.cams is None else explanations.cams[i]
    return Example(explanations.images[i], cam, int(row["label"]), int(row["predicted"]), _probabilities(results)[i])


SECTION = Section(order=100, title="Explanations", context=context, figures=draw)
