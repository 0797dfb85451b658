"""Scores, comparison and confusion matrices."""

from typing import Any

import numpy as np

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.runs import EvaluationRuns
from pipeline.artifacts.samples import PARTS
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import count, p_value, percent, percent_estimate, points_estimate
from pipeline.report.sections import FEW_GROUPS
from pipeline.report.sections.performance import analysis
from pipeline.report.sections.performance import figures as figures
from pipeline.report.sections.performance.analysis import Comparison, Scores
from pipeline.report.sections.performance.subgroups import Subset, contrasts
from pipeline.statistics.scores import LABELS, SCORES, class_scores


def content(
    evaluation: Evaluation, scores: Scores, comparison: Comparison, subsets: list[Subset], runs: EvaluationRuns
) -> dict[str, Any]:
    def points(values: np.ndarray[Any, Any]) -> str:
        return ", ".join(f"{100 * v:.1f}" for v in values)

    overall = [
        [
            LABELS[name], model, percent_estimate(scores.means[name][model]),
            "–" if (sd := analysis.spread(scores.seeds[name][model])) is None else f"{100 * sd:.2f}",
            points(scores.seeds[name][model]),
        ]
        for name in SCORES for model in MODELS
    ]  # fmt: skip
    classes = [
        [name, *(percent_estimate(scores.classes[key][c]) for key in ("precision", "recall", "f1")), f"{n:,}"]
        for c, (name, n) in enumerate(zip(evaluation.classes, scores.class_groups, strict=True))
    ]
    test = evaluation.parts["test"]
    matrix = analysis.confusions(test, "winner", len(evaluation.classes)).mean(axis=0)
    retrainings = [
        [model, run.seed, run.best_epoch, "–" if run.threshold is None else f"{run.threshold:.4f}",
         percent(run.val_score), *(percent(float(scores.seeds[name][model][i])) for name in SCORES),
         f"{runs.of(model, run.seed).seconds:.0f}"]
        for model in MODELS for i, run in enumerate(evaluation.runs(model))
    ]  # fmt: skip
    return {
        "overall": overall,
        "differences": [[LABELS[name], points_estimate(scores.difference[name])] for name in SCORES],
        "classes": classes,
        "perfect": scores.perfect,
        "few": _few(evaluation.classes, scores.class_groups),
        "matrix": [[name, *(count(v) for v in row)] for name, row in zip(evaluation.classes, matrix, strict=True)],
        "classes_named": evaluation.classes,
        "runs": retrainings,
        "pairs": [
            [f"{first} / {second}", b, c, p_value(p), p_value(adjusted)]
            for first, second, b, c, p, adjusted in comparison.pairs
        ],
        "p": p_value(comparison.p),
        "subsets": [
            [
                s.kind, s.value, f"{s.n_images:,}", f"{s.n_groups:,}", s.n_classes,
                *(("too few groups", "") if s.n_groups < FEW_GROUPS
                  else (percent_estimate(s.accuracy), percent_estimate(s.macro_f1))),
            ]
            for s in subsets
        ],
        "subset_recalls": [
            [s.kind, s.value, *("–" if r is None else f"{percent_estimate(r[0])}, n = {r[1]}" for r in s.recalls)]
            for s in subsets
        ],
        "contrasts": said_of_files(subsets, evaluation.classes),
    }  # fmt: skip


def said_of_files(subsets: list[Subset], classes: list[str]) -> list[str]:
    """One sentence for each class that is found in one kind of file and missed in another."""
    sentences = []
    for name, better, worse in contrasts(subsets, classes):
        (high, _), (low, n) = (next_ for s in (better, worse) if (next_ := s.recalls[classes.index(name)]))
        sentences.append(
            f"{name} is found in {percent_estimate(high)} of the groups of {better.kind} {better.value}, but in "
            f"{percent_estimate(low)} of those of {worse.value} (n = {n})"
        )
    return sentences


def _few(classes: list[str], n_groups: list[int]) -> str:
    few = [f"{name} ({n})" for name, n in zip(classes, n_groups, strict=True) if n < FEW_GROUPS]
    return f"every class ({min(n_groups)} to {max(n_groups)})" if len(few) == len(classes) > 2 else ", ".join(few)


def draw(evaluation: Evaluation, scores: Scores) -> dict[str, Picture]:
    k, classes = len(evaluation.classes), evaluation.classes
    pictures = [
        Picture(
            "scores", png(figures.score_points({LABELS[n]: v for n, v in scores.seeds.items()},
                                               {LABELS[n]: v for n, v in scores.means.items()})),
            "Accuracy, macro precision, macro recall and macro F1 of winner and baseline with intervals and all seeds.",
            "Diamonds: mean over seeds; bars: 95 % bootstrap over groups; dots: every seed.",
        ),
    ]  # fmt: skip
    matrices = {part: analysis.confusions(evaluation.parts[part], "winner", k).mean(axis=0) for part in PARTS}
    beside = k <= 3 and max(map(len, classes)) <= 8  # what fits into a third of the width
    together = {"confusion": matrices} if beside else {f"confusion_{p}": {p: m} for p, m in matrices.items()}
    for name, shown in together.items():
        recall = ", ".join(
            f"{part}: {percent(float(class_scores(m)['recall'].mean()))} macro recall" for part, m in shown.items()
        )
        pictures.append(
            Picture(
                name, png(figures.confusion(shown, classes)),
                f"Confusion matrix of the winner, rows truth, columns predicted; {recall}.",
                f"Winner, {', '.join(shown)}: images (mean over seeds) and share of the row; blank: none.",
            )
        )  # fmt: skip
    return {p.name: p for p in pictures}
