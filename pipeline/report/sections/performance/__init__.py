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
from pipeline.statistics.scores import LABELS, SCORES, class_scores


def context(results: Results) -> dict[str, Any]:
    """Return scores, differences, classes and confusion counts."""
    scores, comparison, classes = results.scores, results.comparison, results.evaluation.classes
    matrix = confusions(results.evaluation.parts["test"], "winner", len(classes)).mean(axis=0)
    return {
        "perfect": scores.perfect,
        "few": _few(classes, scores.class_groups),
        "overall": [_overall(results, name, model) for name in SCORES for model in MODELS],
        "differences": [[LABELS[name], points_estimate(scores.difference[name])] for name in SCORES],
        "p": p_value(comparison.p),
        "pairs": [
            [f"{of.winner} / {of.baseline}", of.only_winner, of.only_baseline, p_value(of.p), p_value(of.adjusted)]
            for of in comparison.pairs
        ],
        "matrix": [[name, *(count(v) for v in row)] for name, row in zip(classes, matrix, strict=True)],
        "by_class": [
            [name, *(percent_estimate(scores.classes[key][c]) for key in ("precision", "recall", "f1")), f"{n:,}"]
            for c, (name, n) in enumerate(zip(classes, scores.class_groups, strict=True))
        ],
        "runs": [row for model in MODELS for row in _runs(results, model)],
        "parts": {part: _macro_recall(results, part) for part in PARTS},
    }


def _overall(results: Results, score: str, model: str) -> list[str]:
    seeds = results.scores.seeds[score][model]
    sd, mean = spread(seeds), percent_estimate(results.scores.means[score][model])
    return [LABELS[score], model, mean, "–" if sd is None else f"{100 * sd:.2f}"]


def _runs(results: Results, model: str) -> list[list[object]]:
    rows: list[list[object]] = []
    for i, run in enumerate(results.evaluation.runs(model)):
        threshold = "–" if run.threshold is None else f"{run.threshold:.4f}"
        on_test = [percent(float(results.scores.seeds[name][model][i])) for name in SCORES]
        rows.append([model, run.seed, run.best_epoch, threshold, percent(run.val_score), *on_test])
    return rows


def _few(classes: list[str], n_groups: list[int]) -> str:
    few = [f"{name} ({n})" for name, n in zip(classes, n_groups, strict=True) if n < FEW_GROUPS]
    return f"every class ({min(n_groups)} to {max(n_groups)})" if len(few) == len(classes) > 2 else ", ".join(few)


def _macro_recall(results: Results, part: str) -> str:
    matrix = confusions(results.evaluation.parts[part], "winner", len(results.evaluation.classes)).mean(axis=0)
    return percent(float(class_scores(matrix)["recall"].mean()))


def draw(results: Results) -> list[Picture]:
    """Draw the confusion matrices of the parts: in one picture if they are small."""
    classes, parts = results.evaluation.classes, results.evaluation.parts
    matrices = {part: confusions(parts[part], "winner", len(classes)).mean(axis=0) for part in PARTS}
    if len(classes) <= 3 and max(map(len, classes)) <= 8:
        return [Picture("confusion", png(confusion(matrices, classes)))]
    return [Picture(f"confusion_{part}", png(confusion({part: m}, classes))) for part, m in matrices.items()]


SECTION = Section(order=60, title="Performance", context=context, figures=draw)
