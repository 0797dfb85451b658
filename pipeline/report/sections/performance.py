"""Scores of winner and baseline on the test part, their comparison, and the confusion matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.samples import PARTS
from pipeline.report.analysis.scoring import confusions, median_run, spread
from pipeline.report.drawing import WIDTH_IN, Picture, canvas, png, short, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import group_count, p_value, percent, percent_estimate, points, points_estimate
from pipeline.report.results import Results
from pipeline.report.sections import FEW_GROUPS
from pipeline.statistics.scores import LABELS, SCORES, class_scores


def context(results: Results) -> dict[str, Any]:
    """Return scores, differences, classes and confusion counts."""
    scores, comparison, classes = results.scores, results.comparison, results.evaluation.classes
    matrices = _matrices(results)
    runs = results.evaluation.runs("winner")
    return {
        "few": _few(classes, scores.class_groups),
        "overall": _overall(results),
        "spreads": [[LABELS[name], *(points(spread(scores.seeds[name][m])) for m in MODELS)] for name in SCORES],
        "n_groups": f"{scores.n_groups:,}",
        "n_seeds": len(runs),
        "seed_share": None if (share := results.evaluation.info.seed_share) is None else percent(share),
        "champion": results.evaluation.info.champion.seed,
        "median_seed": runs[median_run(results.evaluation, "winner")].seed,
        "differences": [[LABELS[name], points_estimate(scores.difference[name])] for name in SCORES],
        "groups_right": points_estimate(comparison.test.difference),
        "p": p_value(comparison.test.p),
        "n_differing": comparison.test.n_differing,
        "check": comparison.check,
        "check_p": p_value(comparison.check.p),
        "matrix": [
            [name, *map(group_count, row.tolist())] for name, row in zip(classes, matrices["test"], strict=True)
        ],
        "by_class": [
            [name, *(percent_estimate(scores.classes[key][c]) for key in ("precision", "recall", "f1")), f"{n:,}"]
            for c, (name, n) in enumerate(zip(classes, scores.class_groups, strict=True))
        ],
        "runs": [row for model in MODELS for row in _runs(results, model)],
        "parts": {part: percent(float(class_scores(m)["recall"].mean())) for part, m in matrices.items()},
    }


def _overall(results: Results) -> list[list[str]]:
    """Return score, winner's recipe, champion's weights and baseline's recipe by row."""
    scores = results.scores
    rows: list[tuple[str, ...]] = []
    for name in SCORES:
        means = scores.means[name]
        columns = (means["winner"], scores.champion[name], means["baseline"])
        rows.append((LABELS[name], *map(percent_estimate, columns)))
    if results.champion_decision:
        decisions = (results.decisions["winner"], results.champion_decision, results.decisions["baseline"])
        rates = [decision.operation.rates() for decision in decisions]
        for i, name in enumerate(("sensitivity", "specificity")):
            rows.append((f"{name}, frozen threshold", *(percent_estimate(of[i]) for of in rates)))
    return [list(row) for row in rows]


def _matrices(results: Results) -> dict[str, NDArray[np.float64]]:
    """Return the confusion matrix of the winner's seed of median score on test, by part."""
    parts, k = results.evaluation.parts, len(results.evaluation.classes)
    run = median_run(results.evaluation, "winner")
    return {part: confusions(parts[part], "winner", k)[run] for part in PARTS}


def _few(classes: list[str], n_groups: list[int]) -> str:
    few = [f"{name} ({n})" for name, n in zip(classes, n_groups, strict=True) if n < FEW_GROUPS]
    return f"every class ({min(n_groups)} to {max(n_groups)})" if len(few) == len(classes) > 2 else ", ".join(few)


def _runs(results: Results, model: str) -> list[list[object]]:
    rows: list[list[object]] = []
    for i, run in enumerate(results.evaluation.runs(model)):
        threshold = "–" if run.threshold is None else f"{run.threshold:.4f}"
        on_test = [percent(float(results.scores.seeds[name][model][i])) for name in SCORES]
        rows.append([model, run.seed, run.best_epoch, threshold, percent(run.val_score), *on_test])
    return rows


def draw(results: Results) -> list[Picture]:
    """Draw the confusion matrices of the parts: in one picture if they are small."""
    classes, matrices = results.evaluation.classes, _matrices(results)
    if len(classes) <= 3 and max(map(len, classes)) <= 8:
        return [Picture("confusion", png(confusion(matrices, classes)))]
    return [Picture(f"confusion_{part}", png(confusion({part: m}, classes))) for part, m in matrices.items()]


@styled
def confusion(matrices: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> Figure:
    """Draw matrices of counts, (K, K) by title; rows are the truth. Colour and percentage: share of the row."""
    k, n = len(classes), len(matrices)
    names = [short(name, 12) for name in classes]
    room_in = 0.09 * max(map(len, names))  # what the names take of either side
    level = room_in < (WIDTH_IN - 0.3 - room_in) / n / k
    figure, axes = canvas((WIDTH_IN - 0.3 - room_in) / n + (0.75 if level else 0.75 + 0.65 * room_in), 1, n)
    for i, (axis, (title, counts)) in enumerate(zip(axes[0], matrices.items(), strict=True)):
        totals = counts.sum(axis=1, keepdims=True)
        share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
        text = [[_cell(counts[r, c], share[r, c]) for c in range(k)] for r in range(k)]
        size = 8.5 if k > 5 else 10 if n > 1 else 13
        # the square root keeps a row share of 1 % visible
        sns.heatmap(
            share, ax=axis, annot=text, fmt="", cmap="Blues", norm=PowerNorm(0.5, 0, 1), cbar=False, square=True,
            linewidths=1, annot_kws={"fontsize": size}, xticklabels=names, yticklabels=names if i == 0 else False,
        )  # fmt: skip
        axis.set(title=title, xlabel="predicted", ylabel="truth" if i == 0 else "")
        axis.tick_params(axis="x", rotation=0 if level else 40, length=0)
        axis.tick_params(axis="y", rotation=0, length=0)
    return figure


def _cell(count: float, share: float) -> str:
    """Return count and share of the row, at most seven letters wide."""
    if count == 0:
        return ""
    if share > 0.999:
        percentage = "100 %" if share == 1 else ">99.9 %"
    elif share >= 0.01:
        percentage = f"{100 * share:.1f} %"
    else:
        percentage = f"{100 * share:.2g} %" if share >= 0.0001 else "<0.01 %"
    number = f"{count:,.0f}" if count >= 100 else group_count(float(count))
    return f"{number}\n{percentage}"


SECTION = Section(order=60, title="Performance", context=context, figures=draw)
