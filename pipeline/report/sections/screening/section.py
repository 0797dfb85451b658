"""What the winner's decision would mean in a screening."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import Evaluation, Part
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import count, count_estimate, percent, percent_estimate
from pipeline.report.sections.performance import analysis
from pipeline.report.sections.performance.analysis import Decision
from pipeline.report.sections.screening import figures as figures
from pipeline.report.settings import ScreeningSettings
from pipeline.statistics import intervals, screening
from pipeline.statistics.groups import own_group_sizes
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.screening import Operation

KINDS = {  # of people -> words, letter in text
    "tp": ("diseased, called positive", "D"),
    "fn": ("diseased, missed", "M"),
    "fp": ("healthy, called positive", "o"),
    "tn": ("healthy, called negative", "."),
}
MIXED = "+"


def content(evaluation: Evaluation, decisions: dict[str, Decision], settings: ScreeningSettings) -> dict[str, Any]:
    winner = decisions["winner"]
    prevalences = {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}
    rows = []
    for label, prevalence in prevalences.items():
        s = screening.estimate_screening(winner.operation, prevalence, settings.n_screened)
        rows.append({"label": label, "prevalence": prevalence, "screening": s})
    n_healthy = winner.estimate.n_healthy
    at_half = analysis.decide(evaluation, "winner", settings.prevalence_per_100k, settings.n_screened, at=0.5)
    columns = {**decisions, "winner at 0.5": at_half}
    return {
        "decisions": decisions,
        "columns": columns,
        "n_screened": settings.n_screened,
        "prevalence": settings.prevalence_per_100k,
        "source": settings.prevalence_source,
        "rows": rows,
        "quantities": _quantities(columns),
        "sure": 1 - intervals.sure_bound(winner.operation.n_healthy),
        "sure_persons": n_healthy * (1 - intervals.sure_bound(winner.operation.n_healthy)),
        "claims": [(n, screening.negatives_to_claim(n, n_healthy)) for n in (100, 22)],
        "seeds": [
            [
                model,
                f"{d.thresholds[i]:.4f}",
                percent(d.sensitivity[i]),
                percent(d.specificity[i]),
                f"{d.auc[i]:.4f}",
                *(f"{n:,}" for n in d.counts[i]),
            ]
            for model, d in decisions.items()
            for i in range(len(d.thresholds))
        ],
        "people": _people(winner.operation, settings.prevalence_per_100k),
        "panel": _panel(evaluation.parts["test"], winner, settings),
    }


def _quantities(decisions: dict[str, Decision]) -> list[list[str]]:
    """One row per quantity, one column per decision."""
    shown: dict[str, Callable[[Estimate], str]] = {
        "sensitivity": percent_estimate,
        "specificity": percent_estimate,
        "false_positives": count_estimate,
        "false_negatives": count_estimate,
        "ppv": lambda estimate: percent_estimate(estimate, 2),
        "npv": lambda estimate: percent_estimate(estimate, 4),
    }
    found = [decision.estimate for decision in decisions.values()]
    return [
        [name.upper() if name in ("ppv", "npv") else name.replace("_", " "), *(show(getattr(e, name)) for e in found)]
        for name, show in shown.items()
    ]


def _people(operation: Operation, prevalence_per_100k: float) -> dict[str, Any]:
    """Whole people of 100,000 by what the decision would do to them; without an estimate, at the bound."""
    found = screening.estimate_screening(operation, prevalence_per_100k, figures.PEOPLE)
    diseased = _whole(prevalence_per_100k)
    missed, alarmed = min(diseased, _drawn(found.false_negatives)), _drawn(found.false_positives)
    alarmed = min(figures.PEOPLE - diseased, alarmed)
    counts = {"tp": diseased - missed, "fn": missed, "fp": alarmed, "tn": figures.PEOPLE - diseased - alarmed}
    ends = np.cumsum([0, *counts.values()]).tolist()
    words = {"fn": _bound(found.false_negatives), "fp": _bound(found.false_positives)}
    words |= {"tp": OTHER[words["fn"]], "tn": OTHER[words["fp"]]}
    blocks, enlarged = figures.letters({KINDS[kind][1]: n for kind, n in counts.items()}, MIXED)
    shown = {kind: f"{words[kind]}{n:,}" for kind, n in counts.items()}
    return {
        "kinds": [
            {"name": kind, "label": label, "n": shown[kind], "path": figures.outline(first, end)}
            for (kind, (label, _)), first, end in zip(KINDS.items(), ends, ends[1:], strict=False)
        ],
        "explored": [{"name": kind, "label": label, "path": None} for kind, (label, _) in KINDS.items()],
        "called": None
        if any(words.values())
        else [f"{counts['tp'] + alarmed:,}", count(prevalence_per_100k - (found.false_negatives.value or 0))],
        "legend": [
            *([letter, shown[kind], label] for kind, (label, letter) in KINDS.items()),
            [MIXED, "–", "a hundred of more than one kind"],
        ],
        "blocks": blocks,
        "enlarged": enlarged,
    }


OTHER = {"": "", "at most ": "at least ", "at least ": "at most "}  # of the people that are left


def _bound(estimate: Estimate) -> str:
    return "" if estimate.value is not None else "at most " if estimate.high is not None else "at least "


def _drawn(estimate: Estimate) -> int:
    return _whole(next(v for v in (estimate.value, estimate.high, estimate.low, 0.0) if v is not None))


def _whole(persons: float) -> int:
    return int(persons + 0.5)


def _panel(part: Part, winner: Decision, settings: ScreeningSettings) -> dict[str, Any]:
    """What panel.js reads. Scores per seed in millionths, as exact as predictions.csv holds them, as rising steps, each
    with the size of its image's group.
    """

    def steps(kind: NDArray[np.bool_]) -> list[list[list[int]]]:
        scores = np.rint(1e6 * part.models["winner"].positive_score[:, kind]).astype(int)
        sizes = own_group_sizes(part.groups[kind])
        order = np.argsort(scores, axis=1, kind="stable")
        rising = np.diff(np.take_along_axis(scores, order, axis=1), axis=1, prepend=0)
        return np.stack([rising, sizes[order]], axis=1).tolist()  # type: ignore[no-any-return]

    low, high = min(winner.thresholds), max(winner.thresholds)
    return {
        "prevalence": settings.prevalence_per_100k,
        "n_screened": settings.n_screened,
        "thresholds": f"{low:.3f} to {high:.3f}, one per seed" if len(winner.thresholds) > 1 else f"{low:.3f}",
        "middle": float(np.clip(1e6 * np.mean(winner.thresholds), 1, 999_999)),
        "sensitivity": winner.operation.sensitivity,
        "specificity": winner.operation.specificity,
        "n_diseased": winner.operation.n_diseased,
        "n_healthy": winner.operation.n_healthy,
        "diseased": steps(part.positive),
        "healthy": steps(~part.positive),
    }


def draw(evaluation: Evaluation, winner: Decision, settings: ScreeningSettings) -> dict[str, Picture]:
    curves = analysis.operating_curves(evaluation.parts["test"], "winner")
    frozen = list(zip(winner.sensitivity.tolist(), winner.specificity.tolist(), strict=True))
    marked = {settings.prevalence_source: settings.prevalence_per_100k, **settings.other_prevalences}
    grid = np.geomspace(min(1.0, *marked.values()), max(20_000.0, *marked.values()), 120)
    ppv = [screening.estimate_screening(winner.operation, float(p)).ppv for p in grid]
    pictures = [
        Picture(
            "operating", png(figures.operating_curve(curves, frozen, winner.estimate.n_healthy, settings.n_screened)),
            "Expected false positives against sensitivity for every threshold, one line per seed, frozen ones marked.",
            "What another threshold would trade. Only the diamonds were fixed beforehand; the lines are exploration."
            + (" At 0: none in this sample, which is not none." if (winner.specificity == 1).any() else ""),
        ),
        Picture(
            "ppv", png(figures.ppv_over_prevalence(grid, ppv, marked.values(), settings.prevalence_per_100k)),
            "Positive predictive value with its interval over the prevalence per 100,000, both logarithmic.",
            "How far the PPV hangs on the prevalence. Vertical lines: the prevalences of the table.",
        ),
    ]  # fmt: skip
    return {p.name: p for p in pictures}
