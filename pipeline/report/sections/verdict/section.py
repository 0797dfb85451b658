"""What won, by how much, and how sure that is."""

from typing import Any

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.search_result import SearchResult
from pipeline.report.formatting import p_value, percent, percent_estimate, points_estimate
from pipeline.report.sections.performance.analysis import Comparison, Scores
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import LABELS


def content(
    found: SearchResult, evaluation: Evaluation, scores: Scores, comparison: Comparison, main: str
) -> dict[str, Any]:
    winner, difference = scores.means[main]["winner"], scores.difference[main]
    models, n_trials = evaluation.info.models, len(found.trials)
    n_seeds = len(models["winner"].runs)
    answer = f"On the sealed test part the winner of {n_trials} trials "
    if scores.perfect:
        bound = percent(scores.means["accuracy"]["winner"].low)
        answer += (
            f"makes no error under {n_seeds} fresh seeds, which proves an accuracy of at least {bound} (95 % bound)"
        )
    else:
        answer += (
            f"reaches {'an' if main == 'accuracy' else 'a'} {LABELS[main]} of {percent_estimate(winner)} "
            f"(mean of {n_seeds} fresh seeds, 95 % interval)"
        )
    test = f"exact McNemar over test groups, {p_value(comparison.p)}"
    lead = sum(b - c for _, _, b, c, _, _ in comparison.pairs)
    if models["winner"].config == models["baseline"].config:
        answer += "; no trial beat the baseline, so the winner is the baseline itself."
    elif comparison.p < 0.05:
        word = "more" if (difference.value or 0) > 0 else "less"
        answer += f", {_points(difference)} percentage points {word} than the baseline, "
        answer += f"and is right in {'more' if lead > 0 else 'fewer'} test groups ({test})."
    else:
        answer += f". Against the baseline that is {points_estimate(difference)} percentage points: not established"
        if (difference.low or 0) * (difference.high or 0) > 0:
            answer += f", since the test does not confirm what the interval suggests ({test})."
        else:
            answer += f" ({test})."
    return {
        "answer": answer,
        "facts": [
            (f"winner, {LABELS[main]}", percent(winner.value)),
            (f"baseline, {LABELS[main]}", percent(scores.means[main]["baseline"].value)),
            ("difference, points", points_estimate(difference).split(" [")[0]),
            ("test images (groups)", f"{evaluation.parts['test'].labels.size:,} ({sum(scores.class_groups):,})"),
        ],
    }


def cautions(contrasts: list[str], shortcut: str | None) -> list[str]:
    """What speaks against taking the answer at its word. contrasts: of `performance`; shortcut: share of `inside`."""
    found = []
    if shortcut:
        found.append(
            f"A classifier that sees only how files were made gets {shortcut} of what the winner adds to naming the "
            "commonest class."
        )
    if contrasts:
        found.append(f"How files are stored matters: {'; '.join(contrasts)}.")
    return found


def _points(difference: Estimate) -> str:
    """Without signs where the sentence says more or less."""
    assert difference.value is not None
    assert difference.low is not None
    assert difference.high is not None
    ends = sorted((difference.low, difference.high), key=abs)
    if difference.low * difference.high < 0:
        return points_estimate(difference)
    return f"{100 * abs(difference.value):.1f} [{100 * abs(ends[0]):.1f}, {100 * abs(ends[1]):.1f}]"
