"""From predictions to the numbers of a report: scores with intervals, the paired comparison, the screening estimate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS, Evaluation, Part
from pipeline.statistics import bootstrap, groups, intervals, screening, significance
from pipeline.statistics.groups import own_group_sizes
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.roc import area_under_roc
from pipeline.statistics.scores import SCORES, class_scores, confusion_matrix, scores
from pipeline.statistics.screening import Operation, ScreeningEstimate


@dataclass(frozen=True)
class Scores:
    """Of the test part. The interval of a mean over seeds is that of drawing other test groups, for these seeds."""

    seeds: dict[str, dict[str, NDArray[np.float64]]]  # score -> model -> (S,)
    means: dict[str, dict[str, Estimate]]  # score -> model
    difference: dict[str, Estimate]  # score -> winner minus baseline, paired
    classes: dict[str, list[Estimate]]  # precision, recall, f1 of the winner, per class
    class_groups: list[int]
    perfect: bool  # the winner was right everywhere under every seed


def confusions(part: Part, model: str, n_classes: int) -> NDArray[np.int64]:
    """(S, K, K), rows are the truth."""
    return confusion_matrix(part.labels, part.models[model].predicted, n_classes)


def spread(values: NDArray[np.float64]) -> float | None:
    """Standard deviation over seeds; None for a single one."""
    return float(values.std(ddof=1)) if values.size > 1 else None


def score_test_part(evaluation: Evaluation, draws: int, rng: np.random.Generator) -> Scores:
    part, k = evaluation.parts["test"], len(evaluation.classes)
    n_seeds = {model: len(part.models[model].predicted) for model in MODELS}
    both = np.concatenate([part.models[model].predicted for model in MODELS])
    resampled = bootstrap.bootstrap_confusions(part.labels, both, part.groups, k, draws, rng)  # (draws, runs, K, K)
    split = dict(zip(MODELS, np.split(resampled, [n_seeds["winner"]], axis=1), strict=True))
    found = {model: scores(confusions(part, model, k)) for model in MODELS}
    drawn = {model: {name: v.mean(axis=1) for name, v in scores(split[model]).items()} for model in MODELS}
    n_groups = np.unique(part.groups).size
    seeds = {name: {model: found[model][name] for model in MODELS} for name in SCORES}
    means = {
        name: {model: _mean(name, seeds[name][model], drawn[model][name], n_groups) for model in MODELS}
        for name in SCORES
    }
    difference = {
        name: Estimate(
            float(seeds[name]["winner"].mean() - seeds[name]["baseline"].mean()),
            *bootstrap.percentile_interval(drawn["winner"][name] - drawn["baseline"][name]),
        )
        for name in SCORES
    }
    class_groups = [np.unique(part.groups[part.labels == c]).size for c in range(k)]
    perfect = bool((seeds["accuracy"]["winner"] == 1).all())
    classes = _class_estimates(confusions(part, "winner", k), split["winner"], class_groups)
    return Scores(seeds, means, difference, classes, class_groups, perfect)


def _mean(name: str, seeds: NDArray[np.float64], drawn: NDArray[np.float64], n_groups: int) -> Estimate:
    value = float(seeds.mean())
    if drawn.min() == drawn.max():  # nothing to resample: only a plain rate has an exact bound
        plain = name in ("accuracy", "recall")
        return intervals.rate_estimate(value, n_groups) if plain else Estimate(value, None, None)
    return Estimate(value, *bootstrap.percentile_interval(drawn))


def _class_estimates(found: NDArray[Any], drawn: NDArray[Any], class_groups: list[int]) -> dict[str, list[Estimate]]:
    """No recall of a class that does not occur."""
    values, resampled = class_scores(found), class_scores(drawn)
    return {
        name: [
            Estimate(None, None, None)
            if name == "recall" and not n
            else _mean(name, values[name][:, c], resampled[name][..., c].mean(axis=1), n)
            for c, n in enumerate(class_groups)
        ]
        for name in ("precision", "recall", "f1")
    }


def score_predictions(
    labels: NDArray[Any],
    predicted: NDArray[Any],
    groups: NDArray[Any],
    n_classes: int,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Estimate]:
    """Every score, mean over S runs on any images, with its interval; the macro ones are over the classes that occur.

    labels: (N,) int; predicted: (S, N) int; groups: (N,) any.
    """
    occurring = np.unique(labels)

    def means(found: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """found: (..., S, K, K). Returns (...)."""
        by_class, accuracy = class_scores(found), scores(found)["accuracy"].mean(axis=-1)
        names = ("precision", "recall", "f1")
        return {"accuracy": accuracy} | {f"macro_{n}": by_class[n][..., occurring].mean((-2, -1)) for n in names}

    drawn = means(bootstrap.bootstrap_confusions(labels, predicted, groups, n_classes, draws, rng))
    found, n_groups = means(confusion_matrix(labels, predicted, n_classes)), np.unique(groups).size
    return {name: _mean(name, found[name], drawn[name], n_groups) for name in SCORES}


@dataclass(frozen=True)
class Comparison:
    """Exact McNemar over the test groups, one test per pair of seeds in their order."""

    pairs: list[tuple[int, int, int, int, float, float]]  # seeds of winner, baseline; b; c; p; p after Holm
    p: float  # of the typical pair: see estimates.median_p


def compare(evaluation: Evaluation) -> Comparison:
    part = evaluation.parts["test"]
    right = {model: part.models[model].predicted == part.labels for model in MODELS}  # (S, N)
    seeds = {model: [run.seed for run in evaluation.runs(model)] for model in MODELS}
    found = significance.mcnemar_pairs(right["winner"], right["baseline"], part.groups)
    p = [p for *_, p in found]
    adjusted = significance.holm(p)
    pairs = [
        (seeds["winner"][i], seeds["baseline"][i], b, c, p, float(adjusted[i])) for i, (b, c, p) in enumerate(found)
    ]
    return Comparison(pairs, significance.median_p(p))


@dataclass(frozen=True)
class Decision:
    """The positive-or-not decision of one model on the test part, at one threshold per seed; rates over groups."""

    thresholds: list[float]
    sensitivity: NDArray[np.float64]  # (S,)
    specificity: NDArray[np.float64]  # (S,)
    auc: NDArray[np.float64]  # (S,)
    counts: NDArray[np.int64]  # (S, 4) images, as COUNTED
    operation: Operation  # means over seeds
    estimate: ScreeningEstimate


COUNTED = ((True, True), (True, False), (False, False), (False, True))  # called, positive: TP, FP, TN, FN


def decide(
    evaluation: Evaluation, model: str, prevalence_per_100k: float, n_screened: int, at: float | None = None
) -> Decision:
    """at: threshold for every seed; None: the one that each froze on val."""
    part = evaluation.parts["test"]
    frozen = [run.threshold for run in evaluation.runs(model)]
    thresholds = np.array(frozen if at is None else [at] * len(frozen), dtype=float)
    score = part.models[model].positive_score
    called = score >= thresholds[:, None]  # (S, N)
    sensitivity = groups.group_means(called[:, part.positive], part.groups[part.positive])
    specificity = groups.group_means(~called[:, ~part.positive], part.groups[~part.positive])
    counts = np.stack([(called == c)[:, part.positive == p].sum(axis=1) for c, p in COUNTED], axis=1)
    n_diseased, n_healthy = (np.unique(part.groups[mask]).size for mask in (part.positive, ~part.positive))
    operation = Operation(float(sensitivity.mean()), float(specificity.mean()), n_diseased, n_healthy)
    auc = np.array([area_under_roc(part.positive, row) for row in score])
    estimate = screening.estimate_screening(operation, prevalence_per_100k, n_screened)
    return Decision(thresholds.tolist(), sensitivity, specificity, auc, counts, operation, estimate)


def operating_curves(part: Part, model: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Per seed: sensitivity and specificity at every threshold, from none called positive to all."""
    curves, weights = [], np.empty(len(part.groups))
    for kind in (part.positive, ~part.positive):
        weights[kind] = 1 / own_group_sizes(part.groups[kind])
    for score in part.models[model].positive_score:
        order = np.argsort(-score, kind="stable")
        last = np.append(np.diff(score[order]) != 0, True)  # ties move together
        hit, alarmed = (np.cumsum((weights * kind)[order]) for kind in (part.positive, ~part.positive))
        sensitivity = np.append(0, hit[last] / hit[-1])
        specificity = np.append(1, 1 - alarmed[last] / alarmed[-1])
        curves.append((sensitivity, specificity))
    return curves
