"""Labels in doubt: images whose published label a model that never saw them contradicts with confidence."""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts.cross_validation import GROUP
from pipeline.report.drawing import WIDTH_IN, Picture, png, short, smoothing, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent
from pipeline.report.pages import Table
from pipeline.report.results import Results
from pipeline.report.sections.subgroups import sources_of

COLUMNS = 8


def context(results: Results) -> dict[str, Any] | None:
    """Return the images in doubt with both opinions; None without a cross-validation."""
    if not results.cross_validation.partitions:
        return None
    held_out, classes = results.cross_validation.of(GROUP, "winner"), results.evaluation.classes
    doubts, part = held_out.doubts, held_out.part
    probabilities = part.models["winner"].probabilities.mean(axis=0)
    flagged = np.flatnonzero(doubts.in_doubt)
    sources = sources_of(results.evaluation, part.samples)
    rows = []
    for rank, i in enumerate(_shown(results), start=1):
        label, suggested = int(part.labels[i]), int(doubts.suggested[i])
        both = [percent(float(probabilities[i, c]), 0) for c in (label, suggested)]
        rows.append([rank, part.samples[i], classes[label], both[0], classes[suggested], both[1], str(sources[i])])
    pairs = Counter((int(part.labels[i]), int(doubts.suggested[i])) for i in flagged)
    n_groups = len(set(part.groups[flagged].tolist()))
    sentence = (
        f"Confident learning (Northcutt 2021) doubts the labels of {flagged.size:,} of {part.labels.size:,} images, in "
        f"{n_groups:,} units: the models that never saw the unit give another class at least its usual probability, "
        "and more than the label. An image in doubt may be mislabelled, or hard: it needs a reader. None was removed "
        "or relabelled; the published labels count in every score."
    )
    counted = Table(
        f"Labels in doubt of {part.labels.size:,} images, out of fold",
        ["published label", "models suggest", "images in doubt"],
        [[classes[label], classes[other], f"{n:,}"] for (label, other), n in pairs.most_common()],
        labels=2,
    )
    listed = Table(
        f"The {len(rows)} images most in doubt of {part.labels.size:,}, both opinions",
        ["rank", "sample", "published label", "its probability", "models suggest", "its probability ", "source"],
        rows,
        note="Probability: mean of the trainings that held the image out.",
    )
    return {"sentences": [sentence], "tables": [counted, listed] if pairs else [listed]}


def _shown(results: Results) -> NDArray[np.int64]:
    """Return the rows of the images that are kept for the page, the most doubtful first."""
    order = results.cross_validation.of(GROUP, "winner").doubts.order
    return order[: len(results.cross_validation.in_doubt)]


def draw(results: Results) -> list[Picture]:
    """Draw the images most in doubt."""
    held_out, classes = results.cross_validation.of(GROUP, "winner"), results.evaluation.classes
    names = [
        f"{rank} {short(classes[held_out.part.labels[i]], 8)} → {short(classes[held_out.doubts.suggested[i]], 8)}"
        for rank, i in enumerate(_shown(results), start=1)
    ]
    n = len(names)
    caption = (
        f"The {n} images most in doubt of {held_out.part.labels.size:,}, most doubtful first: published label → what "
        "models that never saw the group suggest."
    )
    alt = f"{n} images with the published and the suggested class; the table lists them."
    return [Picture("doubts", png(mosaic(results.cross_validation.in_doubt, names)), alt, caption, drawn=False)]


@styled
def mosaic(images: NDArray[np.uint8], names: list[str]) -> Figure:
    """Draw images (n, H, W, C) in rows of COLUMNS with a name above each."""
    n_rows = -(-len(images) // COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, n_rows * (WIDTH_IN / COLUMNS + 0.28)), layout="constrained")
    axes = figure.subplots(n_rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, name in zip(axes.flat, images, names, strict=False):
        axis.imshow(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, interpolation=smoothing(image))
        axis.set_title(name.replace(" → ", "\n→ "), fontsize=6.5, fontweight="normal", pad=2)
    return figure


SECTION = Section(order=105, title="Labels in doubt", context=context, figures=draw)
