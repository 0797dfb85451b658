"""Scores of winner and baseline on the test part, their comparison, and the confusion matrices."""

from typing import Any

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.samples import PARTS
from pipeline.report.analysis.scoring import confusions, spread
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import count, p_value, percent, percent_estimate, points_estimate
from pipeline.report.results import Results
from pipeline.report.section import Section
from pipeline.report.sections import FEW_GROUPS
from pipeline.report.sections.performance.figures import confusion
from pipeline.report.table import Table
from pipeline.statistics.scores import LABELS, SCORES, class_scores


def context(results: Results) -> dict[str, Any]:
    """Return scores, differences, classes and confusion counts as tables."""
    scores, classes = results.scores, results.evaluation.classes
    differences = [[LABELS[name], points_estimate(scores.difference[name])] for name in SCORES]
    by_class = [
        [name, *(percent_estimate(scores.classes[key][c]) for key in ("precision", "recall", "f1")), f"{n:,}"]
        for c, (name, n) in enumerate(zip(classes, scores.class_groups, strict=True))
    ]
    matrix = confusions(results.evaluation.parts["test"], "winner", len(classes)).mean(axis=0)
    return {
        "perfect": scores.perfect,
        "few": _few(classes, scores.class_groups),
        "overall": _overall(results),
        "differences": Table(
            "Winner minus baseline, percentage points, paired over the same test groups",
            ["score", "difference [95 %]"],
            differences,
        ),
        "mcnemar": _mcnemar(results),
        "matrix": Table(
            "Confusion counts: winner on test, images, mean over seeds; rows are the truth",
            ["truth", *classes],
            [[name, *(count(v) for v in row)] for name, row in zip(classes, matrix, strict=True)],
        ),
        "by_class": Table(
            "Per class, winner on test: mean over seeds [95 %]",
            ["class", "precision", "recall", "F1", "test groups"],
            by_class,
            note="Bootstrap over groups. Where the sample shows no such error nothing can be resampled: recall then "
            "has a one-sided bound with n = groups, precision and F1 have none.",
        ),
        "runs": _runs(results),
    }


def _overall(results: Results) -> Table:
    scores = results.scores
    rows = []
    for name in SCORES:
        for model in MODELS:
            seeds = scores.seeds[name][model]
            sd = spread(seeds)
            rows.append(
                [
                    LABELS[name],
                    model,
                    percent_estimate(scores.means[name][model]),
                    "–" if sd is None else f"{100 * sd:.2f}",
                    ", ".join(f"{100 * v:.1f}" for v in seeds),
                ]
            )
    return Table(
        "Test part: mean over seeds with 95 % interval (bootstrap over groups, stratified by class)",
        ["score", "model", "mean [95 %]", "SD over seeds, points", "every seed, %"],
        rows,
        labels=2,
    )


def _mcnemar(results: Results) -> Table:
    return Table(
        "Exact McNemar per pair of seeds",
        ["seeds winner / baseline", "only winner right", "only baseline right", "p", "p after Holm"],
        [
            [
                f"{pair.winner} / {pair.baseline}",
                pair.only_winner,
                pair.only_baseline,
                p_value(pair.p),
                p_value(pair.adjusted),
            ]
            for pair in results.comparison.pairs
        ],
        note="Counted in groups: those in which one model is right on more images than the other. The pairs share the "
        f"test groups, so their p values depend on each other; the p of the verdict, {p_value(results.comparison.p)}, "
        "joins them in a way valid under any dependence (twice the median, or a little less: Rüger 1978, Vovk and Wang "
        "2020).",
    )


def _runs(results: Results) -> Table:
    rows = []
    for model in MODELS:
        for i, run in enumerate(results.evaluation.runs(model)):
            threshold = "–" if run.threshold is None else f"{run.threshold:.4f}"
            by_score = [percent(float(results.scores.seeds[name][model][i])) for name in SCORES]
            rows.append([model, run.seed, run.best_epoch, threshold, percent(run.val_score), *by_score])
    head = ["model", "seed", "epoch kept", "threshold", "validation score", *(LABELS[name] for name in SCORES)]
    return Table("Every retrained run", head, rows, labels=2)


def _few(classes: list[str], n_groups: list[int]) -> str:
    few = [f"{name} ({n})" for name, n in zip(classes, n_groups, strict=True) if n < FEW_GROUPS]
    return f"every class ({min(n_groups)} to {max(n_groups)})" if len(few) == len(classes) > 2 else ", ".join(few)


def draw(results: Results) -> list[Picture]:
    """Draw the confusion matrices of the parts: in one picture if they are small."""
    classes = results.evaluation.classes
    k = len(classes)
    matrices = {part: confusions(results.evaluation.parts[part], "winner", k).mean(axis=0) for part in PARTS}
    small = k <= 3 and max(map(len, classes)) <= 8
    groups = {"confusion": matrices} if small else {f"confusion_{part}": {part: m} for part, m in matrices.items()}
    pictures = []
    for name, shown in groups.items():
        recalls = {part: percent(float(class_scores(m)["recall"].mean())) for part, m in shown.items()}
        listed = ", ".join(f"{part}: {recall} macro recall" for part, recall in recalls.items())
        pictures.append(
            Picture(
                name,
                png(confusion(shown, classes)),
                alt=f"Confusion matrix of the winner, rows truth, columns predicted; {listed}.",
                caption=f"Winner, {', '.join(shown)}: images (mean over seeds) and share of the row; blank: none.",
            )
        )
    return pictures


SECTION = Section(order=60, title="Performance", context=context, figures=draw)
