"""What won, by how much, and how sure that is."""

from typing import Any

from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import p_value, percent, percent_estimate, points_estimate
from pipeline.report.results import Results
from pipeline.report.sections.verdict.figures import score_points
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
            (f"winner, {LABELS[main]}", percent(scores.means[main]["winner"].value)),
            (f"baseline, {LABELS[main]}", percent(scores.means[main]["baseline"].value)),
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
    assert difference.value is not None
    assert difference.low is not None
    assert difference.high is not None
    if difference.low * difference.high < 0:
        return points_estimate(difference)
    near, far = sorted((100 * abs(difference.low), 100 * abs(difference.high)))
    return f"{100 * abs(difference.value):.1f} [{near:.1f}, {far:.1f}]"


def draw(results: Results) -> list[Picture]:
    """Draw all scores of winner and baseline."""
    scores = results.scores
    seeds = {LABELS[name]: values for name, values in scores.seeds.items()}
    means = {LABELS[name]: values for name, values in scores.means.items()}
    return [Picture("scores", png(score_points(seeds, means)))]


SECTION = Section(order=10, title="Verdict", context=context, figures=draw)
