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
from pipeline.report.sections.cross_validation import new_data
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS
from pipeline.statistics.significance import LEVEL


def context(results: Results) -> dict[str, Any]:
    """Return the answer to the question of the experiment, the score of the champion, and the main numbers."""
    scores, main = results.scores, results.objective
    on_new_data = new_data(results).get(main)
    difference, champion = points_estimate(scores.difference[main]), results.evaluation.info.champion
    return {
        "answer": answer(results),
        "champion": champion.seed,
        "champion_score": f"{LABELS[main]} {percent_estimate(scores.champion[main])}",
        "on_new_data": f"{LABELS[main]} {percent_estimate(on_new_data)}" if on_new_data else "",
        "n_units": scores.n_groups,
        "n_images": results.evaluation.parts["test"].labels.size,
        "numbers": [
            *((f"{model}, {LABELS[main]}", percent(mean.value)) for model, mean in scores.means[main].items()),
            (f"difference in {LABELS[main]}, points", difference.split(" [")[0]),
            ("units of test", f"{scores.n_groups:,}"),
        ],
    }


def answer(results: Results) -> str:
    """Return the answer to the question of the experiment, in plain text."""
    return f"{_result(results)}{_against_baseline(results)}"


def _result(results: Results) -> str:
    scores, main = results.scores, results.objective
    n_seeds = len(results.evaluation.runs("winner"))
    start = (
        f"On the test part (n = {scores.n_groups:,} units, which search and training did not see) the winner of "
        f"{len(results.search.trials)} trials "
    )
    if scores.perfect:
        bound = percent(scores.means["accuracy"]["winner"].low)
        proof = f"which proves an accuracy of at least {bound} (95 % bound)"
        return f"{start}makes no error under {n_seeds} fresh seeds, {proof}"
    article = "an" if main == "accuracy" else "a"
    value = percent_estimate(scores.means[main]["winner"])
    recipe = f"the recipe, trained on these data: mean of {n_seeds} fresh seeds, 95 % interval"
    return f"{start}reaches {article} {LABELS[main]} of {value} ({recipe})"


def _against_baseline(results: Results) -> str:
    models, comparison = results.evaluation.info.models, results.comparison.test
    if models["winner"].config == models["baseline"].config:
        return "; no trial beat the baseline, so the winner is the baseline itself."
    lead = f"{points_estimate(comparison.difference)} percentage points"
    test = f"sign-flip permutation over units, {p_value(comparison.p)}"
    if comparison.p >= LEVEL:
        return f". Compared with the baseline it is right in {lead} of the units: not established ({test})."
    more = "more" if (comparison.difference.value or 0) > 0 else "fewer"
    lead = _unsigned(comparison.difference)
    return f", and is right in {lead} percentage points {more} of the units than the baseline ({test})."


def _unsigned(difference: Estimate) -> str:
    """Return the points of a difference whose interval excludes 0, without signs."""
    near, far = sorted(100 * abs(end or 0.0) for end in (difference.low, difference.high))
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
