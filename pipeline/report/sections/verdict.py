"""What won, by how much, and how sure that is."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.analysis.scoring import PartScores
from pipeline.report.drawing import MODEL_COLORS, Picture, canvas, png, styled
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import p_value, percent, percent_estimate, points_estimate
from pipeline.report.results import Results
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS


def context(results: Results) -> dict[str, Any]:
    """Return the answer to the question of the experiment, and its main numbers."""
    scores, main = results.scores, results.objective
    difference = points_estimate(scores.difference[main])
    n_images, n_groups = results.evaluation.parts["test"].labels.size, sum(scores.class_groups)
    return {
        "answer": f"{_result(results)}{_against_baseline(results)}",
        "numbers": [
            *((f"{model}, {LABELS[main]}", percent(mean.value)) for model, mean in scores.means[main].items()),
            ("difference, points", difference.split(" [")[0]),
            ("test images (groups)", f"{n_images:,} ({n_groups:,})"),
        ],
    }


def _result(results: Results) -> str:
    scores, main = results.scores, results.objective
    n_seeds = len(results.evaluation.runs("winner"))
    start = f"On the sealed test part the winner of {len(results.search.trials)} trials "
    if scores.perfect:
        bound = percent(scores.means["accuracy"]["winner"].low)
        proof = f"which proves an accuracy of at least {bound} (95 % bound)"
        return f"{start}makes no error under {n_seeds} fresh seeds, {proof}"
    article = "an" if main == "accuracy" else "a"
    value = percent_estimate(scores.means[main]["winner"])
    return f"{start}reaches {article} {LABELS[main]} of {value} (mean of {n_seeds} fresh seeds, 95 % interval)"


def _against_baseline(results: Results) -> str:
    models, comparison = results.evaluation.info.models, results.comparison
    difference = results.scores.difference[results.objective]
    test = f"exact McNemar over test groups, {p_value(comparison.p)}"
    if models["winner"].config == models["baseline"].config:
        return "; no trial beat the baseline, so the winner is the baseline itself."
    if comparison.p < 0.05:
        lead = sum(pair.only_winner - pair.only_baseline for pair in comparison.pairs)
        more = "more" if (difference.value or 0) > 0 else "less"
        return (
            f", {_unsigned(difference)} percentage points {more} than the baseline, "
            f"and is right in {'more' if lead > 0 else 'fewer'} test groups ({test})."
        )
    start = f". Compared with the baseline that is {points_estimate(difference)} percentage points: not established"
    if (difference.low or 0) * (difference.high or 0) > 0:
        return f"{start}, since the test does not confirm what the interval suggests ({test})."
    return f"{start} ({test})."


def _unsigned(difference: Estimate) -> str:
    """Return the points without signs, unless the interval holds both."""
    low, high = 100 * (difference.low or 0.0), 100 * (difference.high or 0.0)
    if low * high < 0:
        return points_estimate(difference)
    near, far = sorted((abs(low), abs(high)))
    return f"{100 * abs(difference.value or 0.0):.1f} [{near:.1f}, {far:.1f}]"


@styled
def score_points(scores: PartScores) -> Figure:
    """Draw every seed, mean and interval of winner and baseline."""
    figure, axes = canvas(0.75 * len(scores.seeds) + 1.0)
    axis = axes[0, 0]
    for row, (name, seeds) in enumerate(scores.seeds.items()):
        for offset, (model, color) in zip((-0.17, 0.17), MODEL_COLORS.items(), strict=True):
            y, estimate = row + offset, scores.means[name][model]
            axis.plot(seeds[model], np.full(len(seeds[model]), y + 0.1), "o", color=color, ms=4, alpha=0.6)
            ends = [estimate.value if end is None else end for end in (estimate.low, estimate.high)]
            axis.plot(ends, [y, y], color=color, lw=2.4, solid_capstyle="butt")
            axis.plot(estimate.value, y, "D", color=color, ms=6.5, mec="white", label=model if row == 0 else None)
    axis.set_yticks(range(len(scores.seeds)), [LABELS[name] for name in scores.seeds])
    axis.set_ylim(len(scores.seeds) - 0.45, -0.55)
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axis.set(title="Test part: mean, 95 % interval, every seed", xlabel="%")
    axis.grid(axis="y", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


def draw(results: Results) -> list[Picture]:
    return [Picture("scores", png(score_points(results.scores)))]


SECTION = Section(order=10, title="Verdict", context=context, figures=draw)
