"""How many seeds an evaluation needs: few where the units of a data set vary more than the seeds, more elsewhere."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.artifacts.configuration import Configuration
from pipeline.artifacts.samples import Samples
from pipeline.evaluation.retrain import FinishedRetraining, Retraining
from pipeline.statistics.jackknife import Scored, left_out_scores, seed_variance, unit_classes, unit_variance
from pipeline.statistics.scores import confusion_matrix, scores
from pipeline.statistics.units import unit_weights
from pipeline.training.cost import estimate_training_s
from pipeline.training.prediction import load_trained, predict

LEAST, MOST = 3, 10
STEP = 2  # seeds at a time: the variance of three is known within a factor of ten, so one estimate must not decide
MOST_S = 3600  # of one core, estimated, for the trainings of the winner: a costly one has fewer seeds
MAX_SHARE = 0.05  # of the seeds in the variance of the mean score


def enough_seeds(
    fixed: int | None,
    plan_for: Callable[[int], list[Retraining]],
    train: Callable[[list[Retraining]], list[FinishedRetraining]],
    development: Samples,
) -> tuple[int, float | None]:
    """Return the number of seeds, and their share in the variance of the winner's mean score on val.

    fixed: the number, whose share is not asked for; None: LEAST, and more while the share exceeds MAX_SHARE, at most
    MOST and no more than MOST_S allows, STEP at a time; they are then retrained. The test part has no influence.
    """
    if fixed is not None:
        return fixed, None
    n = LEAST
    while True:
        trained = train(plan_for(n))
        needed, share = seeds_needed(trained, development)
        winner = next(finished.plan for finished in trained if finished.plan.model == "winner")
        most = affordable_seeds(winner.job.config, development)
        if min(needed, most) <= n:
            return n, share
        n = min(needed, most, n + STEP)


def affordable_seeds(config: Configuration, development: Samples) -> int:
    """Return how many trainings of the winner MOST_S allows, from LEAST to MOST."""
    return min(MOST, max(LEAST, int(MOST_S / estimate_training_s(config, development))))


def seeds_needed(trained: Sequence[FinishedRetraining], development: Samples) -> tuple[int, float]:
    """Return the number of seeds that bring their share below MAX_SHARE, and the share with the given ones."""
    winners = [finished for finished in trained if finished.plan.model == "winner"]
    images, labels = development.part("val")
    groups = development.table.loc[development.table["part"] == "val", "group"].to_numpy()
    networks = [(load_trained(f.result.description, f.plan.weights), f.result.description) for f in winners]
    predicted = np.stack([predict(*network, images).argmax(1) for network in networks])
    objective, n_classes = winners[0].plan.job.objective, len(development.info.classes)
    weights = unit_weights(labels, groups)
    confusions = np.stack([confusion_matrix(labels, row, n_classes, weights) for row in predicted])
    of = Scored(
        np.asarray(scores(confusions)[objective]),
        left_out_scores(labels, predicted, groups, n_classes, scores)[objective],
    )
    strata = unit_classes(labels, groups)
    units = unit_variance(of.left_out.mean(axis=1), strata).value
    of_seeds = seed_variance(of, strata).value
    total = units + of_seeds
    share = of_seeds / total if total else 0.0
    # s^2 / S falls with S, the variance between units does not: s^2 / S = MAX_SHARE * (s^2 / S + units)
    of_one = of_seeds * len(winners)
    needed = of_one * (1 - MAX_SHARE) / (MAX_SHARE * units) if units else (MOST if of_seeds else LEAST)
    return min(MOST, max(LEAST, math.ceil(needed))), share
