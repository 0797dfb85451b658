"""Scores with intervals, of winner and baseline on the test part and of any predictions; winner against baseline."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.predictions import Part
from pipeline.statistics import bootstrap, intervals, significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES, class_scores, confusion_matrix, scores
from pipeline.statistics.significance import SignFlip
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
CLASS_SCORES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class PartScores:
    """Scores on the test part. The interval of a mean over seeds covers other test groups, not other seeds."""

    seeds: dict[str, dict[str, NDArray[np.float64]]]  # score -> model -> (S,)
    means: dict[str, dict[str, Estimate]]  # score -> model
    difference: dict[str, Estimate]  # score -> winner minus baseline, paired
    classes: dict[str, list[Estimate]]  # precision, recall and f1 of the winner, per class
    class_groups: list[int]  # groups per class

    @property
    def perfect(self) -> bool:
        """Return whether the winner is right on every image under every seed."""
        return bool((self.seeds["accuracy"]["winner"] == 1).all())


def confusions(part: Part, model: str, n_classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix of each seed in groups, (S, K, K); rows are the truth."""
    weights = unit_weights(part.labels, part.groups)
    return confusion_matrix(part.labels, part.models[model].predicted, n_classes, weights)


def spread(values: NDArray[np.float64]) -> float | None:
    """Return the standard deviation over seeds; None for a single seed."""
    return float(values.std(ddof=1)) if values.size > 1 else None


class Resampling(NamedTuple):
    """A bootstrap over groups."""

    draws: int
    rng: np.random.Generator


def score_test_part(evaluation: Evaluation, resampling: Resampling) -> PartScores:
    """Score winner and baseline; the bootstrap resamples both with the same draws of groups."""
    part, k = evaluation.parts["test"], len(evaluation.classes)
    both = np.concatenate([part.models[model].predicted for model in MODELS])
    resampled = bootstrap.bootstrap_confusions(part.labels, both, part.groups, k, *resampling)  # (draws, runs, K, K)
    n_seeds = len(part.models["winner"].predicted)
    split = {"winner": resampled[:, :n_seeds], "baseline": resampled[:, n_seeds:]}
    by_seed = {model: scores(confusions(part, model, k)) for model in MODELS}
    drawn = {model: {name: v.mean(axis=1) for name, v in scores(split[model]).items()} for model in MODELS}
    n_groups = np.unique(part.groups).size
    seeds: dict[str, dict[str, NDArray[np.float64]]] = {}
    means: dict[str, dict[str, Estimate]] = {}
    difference = {}
    for name in SCORES:
        seeds[name] = {model: by_seed[model][name] for model in MODELS}
        means[name] = {model: _mean(name, seeds[name][model], drawn[model][name], n_groups) for model in MODELS}
        gap = float(seeds[name]["winner"].mean() - seeds[name]["baseline"].mean())
        ends = bootstrap.percentile_interval(drawn["winner"][name] - drawn["baseline"][name])
        difference[name] = Estimate(gap, *ends)
    class_groups = [np.unique(part.groups[part.labels == c]).size for c in range(k)]
    classes = _class_estimates(confusions(part, "winner", k), split["winner"], class_groups)
    return PartScores(seeds, means, difference, classes, class_groups)


def _mean(name: str, seeds: NDArray[np.float64], drawn: NDArray[np.float64], n_groups: int) -> Estimate:
    value = float(seeds.mean())
    if drawn.min() < drawn.max():
        return Estimate(value, *bootstrap.percentile_interval(drawn))
    # nothing to resample: only a plain rate has an exact bound
    is_rate = name in ("accuracy", "recall")
    return intervals.rate_estimate(value, n_groups) if is_rate else Estimate(value, None, None)


def _class_estimates(counts: Array, drawn: Array, class_groups: list[int]) -> dict[str, list[Estimate]]:
    """Return the scores per class; a class without images has no recall."""
    values, resampled = class_scores(counts), class_scores(drawn)

    def estimate(name: str, c: int, n: int) -> Estimate:
        if name == "recall" and not n:
            return Estimate(None, None, None)
        return _mean(name, values[name][:, c], resampled[name][..., c].mean(axis=1), n)

    return {name: [estimate(name, c, n) for c, n in enumerate(class_groups)] for name in CLASS_SCORES}


def score_predictions(
    labels: Array, predicted: Array, groups: Array, n_classes: int, resampling: Resampling
) -> dict[str, Estimate]:
    """Return every score over groups, mean over S runs, with its interval; macro scores average occurring classes.

    labels, groups: (N,); predicted: (S, N).
    """
    occurring = np.unique(labels)

    def means(counts: Array) -> dict[str, NDArray[np.float64]]:
        """Return the mean of each score over the runs, (...). counts: (..., S, K, K)."""
        by_class, accuracy = class_scores(counts), scores(counts)["accuracy"].mean(axis=-1)
        macro = {f"macro_{name}": by_class[name][..., occurring].mean((-2, -1)) for name in CLASS_SCORES}
        return {"accuracy": accuracy} | macro

    drawn = means(bootstrap.bootstrap_confusions(labels, predicted, groups, n_classes, *resampling))
    values = means(confusion_matrix(labels, predicted, n_classes, unit_weights(labels, groups)))
    n_groups = np.unique(groups).size
    return {name: _mean(name, values[name], drawn[name], n_groups) for name in SCORES}


class MedianSeeds(NamedTuple):
    """Exact McNemar test of one retraining of the winner against one of the baseline, each of median accuracy."""

    winner: int  # seed
    baseline: int  # seed
    only_winner: int  # groups in which the winner alone is right, or on more images
    only_baseline: int
    p: float


class Comparison(NamedTuple):
    """The winner against the baseline on the test part, over groups."""

    test: SignFlip
    check: MedianSeeds


def compare(evaluation: Evaluation, resampling: Resampling) -> Comparison:
    """Test whether the winner is right on more groups than the baseline, over all seeds; check it on one pair."""
    part = evaluation.parts["test"]
    right = {model: part.models[model].predicted == part.labels for model in MODELS}  # (S, N)
    differences = significance.unit_differences(right["winner"], right["baseline"], part.groups)
    middle = {model: _median_run(right[model].mean(axis=1)) for model in MODELS}
    winner, baseline = (evaluation.runs(model)[middle[model]].seed for model in MODELS)
    b, c = significance.discordant(
        right["winner"][middle["winner"]], right["baseline"][middle["baseline"]], part.groups
    )
    check = MedianSeeds(winner, baseline, b, c, significance.mcnemar_exact(b, c))
    return Comparison(significance.sign_flip(differences, *resampling), check)


def _median_run(accuracy: NDArray[np.float64]) -> int:
    return int(np.argsort(accuracy, kind="stable")[(accuracy.size - 1) // 2])
