"""What the winner gets wrong and right, attends to and computes first, and what could be told without looking."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import percent, percent_estimate
from pipeline.report.reference_filters import KERNELS, responses
from pipeline.report.sections.explanations import figures as figures
from pipeline.report.sections.explanations.figures import Example
from pipeline.report.sections.performance.analysis import Scores, score_predictions
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS, SCORES, confusion_matrix, scores

DPI = 128  # scans are large files and hold fewer pixels than that
WELL_ABOVE = 0.05  # of accuracy, by which the whole interval must exceed the commonest class


def content(
    inside: Explanations, evaluation: Evaluation, of_winner: Scores, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """draws, rng: of the bootstrap of the shortcut."""
    classes, table = evaluation.classes, inside.examples
    return {
        "seed": inside.info.seed,
        "n_seeds": len(evaluation.runs("winner")),
        "n_errors": int((table["kind"] == "error").sum()),
        "n_hits": int((table["kind"] == "hit").sum()),
        "examples": [
            [sample, classes[label], classes[called], percent(p[called]), n_wrong]
            for (sample, label, called, n_wrong), p in zip(
                table[["sample", "label", "predicted", "n_wrong"]].to_numpy(),
                _probabilities(inside, classes),
                strict=True,
            )
        ],
        "cam": inside.info.cam,
        "cam_px": None if inside.cams is None else inside.info.cam_px,
        "first": inside.info.first,
        "n_kernels": inside.info.n_kernels,
        "layers": [
            [row.name or "–", row.kind, row.output or "–", row.formula_px or "–", f"{row.parameters:,}"]
            for row in inside.layers.itertuples()
        ],
        "n_parameters": f"{inside.layers['parameters'].sum():,}",
        "problem": inside.info.problem,
        "shortcut": _shortcut(inside, evaluation, of_winner, draws, rng),
    }


def _probabilities(inside: Explanations, classes: list[str]) -> NDArray[np.float64]:
    """(N, K)."""
    return inside.examples[[f"p_{name}" for name in classes]].to_numpy()


def _shortcut(
    inside: Explanations, evaluation: Evaluation, of_winner: Scores, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    table, k = inside.metadata_baseline, len(evaluation.classes)
    labels, predicted = (table[name].to_numpy() for name in ("label", "predicted"))
    found = score_predictions(labels, predicted[None], table["group"].to_numpy(), k, draws, rng)
    commonest = int(np.bincount(evaluation.parts["train"].labels).argmax())
    constant = scores(confusion_matrix(labels, np.full_like(labels, commonest), k))
    winner = {name: of_winner.means[name]["winner"] for name in SCORES}
    low, base = found["accuracy"].low, float(constant["accuracy"])
    well_above = low is not None and low > base + WELL_ABOVE
    return {
        "rows": [
            ["winner", *(percent_estimate(winner[name]) for name in SCORES)],
            ["without content", *(percent_estimate(found[name]) for name in SCORES)],
            [f"always {evaluation.classes[commonest]}", *(percent(float(constant[name])) for name in SCORES)],
        ],
        "head": ["classifier", *(LABELS[name] for name in SCORES)],
        "varied": inside.info.varied,
        "accuracy": percent_estimate(found["accuracy"]),
        "base": percent(base),
        "way": _way(found["accuracy"], winner["accuracy"], base) if well_above else None,
    }


def _way(found: Estimate, winner: Estimate, base: float) -> str:
    """How much of what the winner adds to the commonest class needs no content."""
    assert found.value is not None
    assert winner.value is not None
    return "all" if found.value >= winner.value else percent((found.value - base) / (winner.value - base), 0)


def draw(inside: Explanations, evaluation: Evaluation) -> dict[str, Picture]:
    return {p.name: p for p in [*_examples(inside, evaluation.classes), *_filters(inside)]}


def _examples(inside: Explanations, classes: list[str]) -> list[Picture]:
    p, cams, pictures = _probabilities(inside, classes), inside.cams, []
    for kind, name, order in (("error", "errors", "surest first"), ("hit", "hits", "as many classes as fit")):
        rows = np.flatnonzero(inside.examples["kind"] == kind)
        if not rows.size:
            continue
        labels, predicted = (inside.examples[column].to_numpy() for column in ("label", "predicted"))
        shown = [
            Example(inside.images[i], None if cams is None else cams[i], labels[i], predicted[i], p[i]) for i in rows
        ]
        told = "; ".join(
            f"{classes[labels[i]]} called {classes[predicted[i]]}, {percent(p[i, predicted[i]], 0)}" for i in rows
        )
        attention = (
            ""
            if cams is None
            else " In the middle: what spoke for the called class (Grad-CAM), each scaled to its own maximum."
        )
        pictures.append(
            Picture(
                name, png(figures.examples(shown, classes), DPI),
                f"{len(rows)} test images with the probability of the likeliest classes: {told}.",
                f"Test {name}, {order}, one image per group. Blue: the truth; orange: called instead.{attention}",
                drawn=False,
            )
        )  # fmt: skip
    return pictures


def _filters(inside: Explanations) -> list[Picture]:
    pictures = []
    scans = [inside.images[i] for i in np.flatnonzero(inside.examples["scan"])]
    if inside.maps is not None:
        made = [responses(scan.astype(np.float64).mean(axis=2)) for scan in scans]
        by_hand = {name: kernel[None] for name, kernel in KERNELS.items()}
        maps = {name: [found[name] for found in made] for name in KERNELS}
        pictures.append(
            Picture(
                "filters", png(figures.kernels(by_hand, maps, scans), DPI),
                f"Kernels of {', '.join(KERNELS)} above what each makes of {len(scans)} test images.",
                "Filters made by hand, above what each makes of the same test images, in grey from its least to its "
                "largest value. Kernels: blue below 0, red above.", drawn=False,
            )
        )  # fmt: skip
    if inside.kernels is not None:
        names = [f"{i + 1}" for i in range(len(inside.kernels))]
        learned = dict(zip(names, inside.kernels, strict=True))
        found_maps = {} if inside.maps is None else {n: list(m) for n, m in zip(names, inside.maps, strict=True)}
        pictures.append(
            Picture(
                "kernels", png(figures.kernels(learned, found_maps, scans), DPI),
                f"The {len(learned)} largest kernels of the winner's first layer"
                + (f" above their feature maps of {len(scans)} test images." if found_maps else "."),
                f"The {len(learned)} largest of {inside.info.n_kernels} kernels of the first layer"
                + ("" if inside.info.learned else ", computed from train and fixed, not learned")
                + (", above their feature maps (before normalisation and activation)." if found_maps else
                   ": the weights of a unit, one for each pixel."), drawn=False,
            )
        )  # fmt: skip
    return pictures
