"""Scores with intervals: of winner and baseline on the test part, and of any predictions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.predictions import Part
from pipeline.statistics import bootstrap, intervals
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES, class_scores, confusion_matrix, scores

Array = NDArray[Any]


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


def confusions(part: Part, model: str, n_classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix of each seed, (S, K, K); rows are the truth."""
    return confusion_matrix(part.labels, part.models[model].predicted, n_classes)


def spread(values: NDArray[np.float64]) -> float | None:
    """Return the standard deviation over seeds; None for a single seed."""
    return float(values.std(ddof=1)) if values.size > 1 else None


@dataclass(frozen=True)
class Resampling:
    """A bootstrap over groups."""

    draws: int
    rng: np.random.Generator


def score_test_part(evaluation: Evaluation, resampling: Resampling) -> PartScores:
    """Score winner and baseline; the bootstrap resamples both with the same draws of groups."""
    part = evaluation.parts["test"]
    k = len(evaluation.classes)
    n_seeds = {model: len(part.models[model].predicted) for model in MODELS}
    both = np.concatenate([part.models[model].predicted for model in MODELS])
    resampled = bootstrap.bootstrap_confusions(
        part.labels, both, part.groups, k, resampling.draws, resampling.rng
    )  # (draws, runs, K, K)
    split = dict(zip(MODELS, np.split(resampled, [n_seeds["winner"]], axis=1), strict=True))
    by_seed = {model: scores(confusions(part, model, k)) for model in MODELS}
    drawn = {model: {name: v.mean(axis=1) for name, v in scores(split[model]).items()} for model in MODELS}
    n_groups = np.unique(part.groups).size
    seeds = {name: {model: by_seed[model][name] for model in MODELS} for name in SCORES}
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
    classes = _class_estimates(confusions(part, "winner", k), split["winner"], class_groups)
    return PartScores(seeds, means, difference, classes, class_groups)


def _mean(name: str, seeds: NDArray[np.float64], drawn: NDArray[np.float64], n_groups: int) -> Estimate:
    value = float(seeds.mean())
    if drawn.min() == drawn.max():  # nothing to resample: only a plain rate has an exact bound
        is_rate = name in ("accuracy", "recall")
        return intervals.rate_estimate(value, n_groups) if is_rate else Estimate(value, None, None)
    return Estimate(value, *bootstrap.percentile_interval(drawn))


def _class_estimates(counts: Array, drawn: Array, class_groups: list[int]) -> dict[str, list[Estimate]]:
    """Return the scores per class; a class without images has no recall."""
    values, resampled = class_scores(counts), class_scores(drawn)
    return {
        name: [
            Estimate(None, None, None)
            if name == "recall" and not n
            else _mean(name, values[name][:, c], resampled[name][..., c].mean(axis=1), n)
            for c, n in enumerate(class_groups)
        ]
        for name in ("precision", "recall", "f1")
    }


@dataclass(frozen=True)
class Predictions:
    """Predictions of S runs on N images of any parts."""

    labels: Array  # (N,) int
    predicted: Array  # (S, N) int
    groups: Array  # (N,) any


def score_predictions(of: Predictions, n_classes: int, resampling: Resampling) -> dict[str, Estimate]:
    """Return every score, mean over the runs, with its interval; macro scores average the classes that occur."""
    occurring = np.unique(of.labels)

    def means(counts: Array) -> dict[str, NDArray[np.float64]]:
        """Return the mean of each score over the runs, (...). counts: (..., S, K, K)."""
        by_class, accuracy = class_scores(counts), scores(counts)["accuracy"].mean(axis=-1)
        names = ("precision", "recall", "f1")
        return {"accuracy": accuracy} | {f"macro_{n}": by_class[n][..., occurring].mean((-2, -1)) for n in names}

    drawn = means(
        bootstrap.bootstrap_confusions(of.labels, of.predicted, of.groups, n_classes, resampling.draws, resampling.rng)
    )
    values = means(confusion_matrix(of.labels, of.predicted, n_classes))
    n_groups = np.unique(of.groups).size
    return {name: _mean(name, values[name], drawn[name], n_groups) for name in SCORES}
