"""Scores with intervals, of winner and baseline on the test part and of any predictions; winner against baseline.

Two estimands: the recipe (other test units and other seeds: a mean over the retrainings) and the weights that one
downloads (other test units only: the champion).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.predictions import Part
from pipeline.statistics import significance
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import (
    Scored,
    jackknife_difference,
    jackknife_estimate,
    left_out_scores,
    unit_classes,
)
from pipeline.statistics.scores import SCORES, class_scores, confusion_matrix, scores
from pipeline.statistics.significance import SignFlip
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
CLASS_SCORES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class SampleScores:
    """Scores of S runs on one sample of units, and the same without each unit. K classes."""

    counts: Array  # (S, K, K) in units, rows are the truth
    whole: dict[str, Array]  # SCORES: (S,); CLASS_SCORES: (S, K)
    left_out: dict[str, Array]  # one axis more, units first
    strata: Array  # (U,)

    def scored(self, name: str) -> Scored:
        return Scored(self.whole[name], self.left_out[name])

    def estimate(self, name: str, run: int | None = None) -> Estimate:
        """Return one of SCORES: mean over the runs, which vary, or of one run, over units alone."""
        n_units = self.counts[0].sum(axis=1)
        least = n_units[n_units > 0]
        n = len(self.strata) if name == "accuracy" else float(least.min() * least.size)  # errors may be of one class
        runs = slice(None) if run is None else slice(run, run + 1)
        return jackknife_estimate(self.whole[name][runs], self.left_out[name][:, runs], strata=self.strata, n=n)

    def of_class(self, name: str, c: int) -> Estimate:
        """Return one of CLASS_SCORES; without units that it could count, no value."""
        n_true, n_predicted = (self.counts.sum(axis=axis).mean(axis=0)[c] for axis in (2, 1))
        n = {"recall": n_true, "precision": n_predicted, "f1": n_true + n_predicted}[name]
        if not n:
            return Estimate(None, None, None)
        of = self.whole[name][:, c], self.left_out[name][:, :, c]
        return jackknife_estimate(*of, strata=self.strata, n=float(n), heavy_tails=True)


def score_sample(
    labels: Array, predicted: Array, groups: Array, n_classes: int, *, only_occurring: bool = False
) -> SampleScores:
    """Score S runs; a group counts once in each class. labels, groups: (N,); predicted: (S, N).

    only_occurring: macro scores average the classes that occur, else all.
    """
    occurring = np.unique(labels)

    def all_scores(counts: Array) -> dict[str, Array]:
        by_class, out = class_scores(counts), scores(counts)
        if only_occurring:
            out |= {f"macro_{name}": by_class[name][..., occurring].mean(axis=-1) for name in CLASS_SCORES}
        return out | {name: by_class[name] for name in CLASS_SCORES}

    counts = confusion_matrix(labels, predicted, n_classes, unit_weights(labels, groups))
    left_out = left_out_scores(labels, predicted, groups, n_classes, all_scores)
    return SampleScores(counts, all_scores(counts), left_out, unit_classes(labels, groups))


@dataclass(frozen=True)
class PartScores:
    """Scores on the test part. The interval of a mean over seeds covers other test groups and other seeds."""

    seeds: dict[str, dict[str, NDArray[np.float64]]]  # score -> model -> (S,)
    means: dict[str, dict[str, Estimate]]  # score -> model
    champion: dict[str, Estimate]  # score -> of the weights that one downloads; other test groups only
    difference: dict[str, Estimate]  # score -> winner minus baseline, paired over groups
    classes: dict[str, list[Estimate]]  # precision, recall and f1 of the winner, per class
    class_groups: list[int]  # groups per class
    n_groups: int

    @property
    def perfect(self) -> bool:
        """Return whether the winner is right on every image under every seed."""
        return bool((self.seeds["accuracy"]["winner"] == 1).all())


def confusions(part: Part, model: str, n_classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix of each seed in groups, (S, K, K); rows are the truth."""
    return confusion_matrix(
        part.labels, part.models[model].predicted, n_classes, unit_weights(part.labels, part.groups)
    )


def median_run(evaluation: Evaluation, model: str) -> int:
    """Return the retraining whose objective on test is the median, the lower of two; seeds break ties."""
    part, k = evaluation.parts["test"], len(evaluation.classes)
    values = scores(confusions(part, model, k))[evaluation.info.objective]
    return int(np.argsort(values, kind="stable")[(values.size - 1) // 2])


def spread(values: NDArray[np.float64]) -> float | None:
    """Return the standard deviation over seeds; None for a single seed."""
    return float(values.std(ddof=1)) if values.size > 1 else None


class Resampling(NamedTuple):
    """Random draws, such as sign flips."""

    draws: int
    rng: np.random.Generator


def score_test_part(evaluation: Evaluation) -> PartScores:
    """Score winner, champion and baseline."""
    part, k = evaluation.parts["test"], len(evaluation.classes)
    of = {m: score_sample(part.labels, part.models[m].predicted, part.groups, k) for m in MODELS}
    winner, baseline = (of[model] for model in MODELS)
    champion = evaluation.runs("winner").index(evaluation.info.champion)
    return PartScores(
        seeds={name: {model: of[model].whole[name] for model in MODELS} for name in SCORES},
        means={name: {model: of[model].estimate(name) for model in MODELS} for name in SCORES},
        champion={name: winner.estimate(name, champion) for name in SCORES},
        difference={
            name: jackknife_difference(winner.scored(name), baseline.scored(name), winner.strata) for name in SCORES
        },
        classes={name: [winner.of_class(name, c) for c in range(k)] for name in CLASS_SCORES},
        class_groups=[np.unique(part.groups[part.labels == c]).size for c in range(k)],
        n_groups=len(winner.strata),
    )


def score_predictions(labels: Array, predicted: Array, groups: Array, n_classes: int) -> dict[str, Estimate]:
    """Return every score over groups, mean over S runs, with its interval; macro scores average occurring classes.

    labels, groups: (N,); predicted: (S, N).
    """
    of = score_sample(labels, predicted, groups, n_classes, only_occurring=True)
    return {name: of.estimate(name) for name in SCORES}


class MedianSeeds(NamedTuple):
    """Exact McNemar test of one retraining of the winner against one of the baseline, each of median score."""

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
    middle = {model: median_run(evaluation, model) for model in MODELS}
    winner, baseline = (evaluation.runs(model)[middle[model]].seed for model in MODELS)
    b, c = significance.discordant(
        right["winner"][middle["winner"]], right["baseline"][middle["baseline"]], part.groups
    )
    check = MedianSeeds(winner, baseline, b, c, significance.mcnemar_exact(b, c))
    return Comparison(significance.sign_flip(differences, *resampling), check)
