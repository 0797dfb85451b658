"""Further scores against scikit-learn with unit weights, hand-worked and published numbers, and their intervals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, brier_score_loss, matthews_corrcoef

from pipeline.statistics import measures
from pipeline.statistics.jackknife import Scored, jackknife_estimate, unit_classes
from pipeline.statistics.scores import confusion_matrix
from pipeline.statistics.units import unit_weights

RNG = np.random.default_rng(0)
GROUPS = RNG.integers(0, 60, 200)
LABELS = GROUPS % 3
PREDICTED = np.where(RNG.random((4, 200)) < 0.7, LABELS, RNG.integers(0, 3, (4, 200)))
PROBABILITIES = RNG.dirichlet([1, 1, 1], 200)
POSITIVE, SCORE = LABELS > 0, (LABELS / 4 + RNG.random(200)).round(1)  # with ties
WEIGHTS = unit_weights(LABELS, GROUPS)


def test_matthews_correlation_and_brier_score_equal_those_of_scikit_learn() -> None:
    values = measures.matthews(confusion_matrix(LABELS, PREDICTED, 3, WEIGHTS))
    expected = [matthews_corrcoef(LABELS, run, sample_weight=WEIGHTS) for run in PREDICTED]
    assert_allclose(values, expected)
    assert measures.matthews(np.array([[5, 0], [3, 0]])) == 0
    brier = measures.unit_mean(measures.squared_errors(PROBABILITIES, LABELS)[None], LABELS, GROUPS)
    theirs = brier_score_loss(LABELS, PROBABILITIES, sample_weight=WEIGHTS, scale_by_half=False, labels=[0, 1, 2])
    assert brier.values == pytest.approx(theirs)


def test_average_precision_equals_that_of_scikit_learn_and_is_reweighted() -> None:
    weights = unit_weights(POSITIVE.astype(int), GROUPS)
    theirs = average_precision_score(POSITIVE, SCORE, sample_weight=weights)
    assert measures.average_precision(POSITIVE, SCORE, GROUPS) == pytest.approx(theirs)
    share = 0.01
    reweighted = weights * np.where(POSITIVE, share / weights[POSITIVE].sum(), (1 - share) / weights[~POSITIVE].sum())
    theirs = average_precision_score(POSITIVE, SCORE, sample_weight=reweighted)
    assert measures.average_precision(POSITIVE, SCORE, GROUPS, share) == pytest.approx(theirs)


def test_scores_without_a_unit_are_those_of_the_sample_without_its_images() -> None:
    of = measures.confusion_score(LABELS, PREDICTED, GROUPS, 3, measures.matthews)
    mean = measures.unit_mean(PREDICTED == LABELS, LABELS, GROUPS, [0.2, 0.3, 0.5])
    areas = measures.left_out_precision(POSITIVE, SCORE, GROUPS)
    weights = unit_weights(POSITIVE.astype(int), GROUPS)
    share = weights[POSITIVE].sum() / weights.sum()
    for u, group in enumerate(np.unique(GROUPS)):
        rest = group != GROUPS
        labels, predicted = LABELS[rest], PREDICTED[:, rest]
        sizes = np.array([np.unique(GROUPS[c == LABELS]).size for c in range(3)])
        counts = confusion_matrix(labels, predicted, 3, unit_weights(labels, GROUPS[rest]))
        counts *= sizes[:, None] / counts[0].sum(axis=1, keepdims=True)  # class sizes are fixed
        assert_allclose(of.left_out[u], measures.matthews(counts))
        recalls = counts.diagonal(axis1=1, axis2=2) / sizes
        assert_allclose(mean.left_out[u], recalls @ [0.2, 0.3, 0.5])
        alone = measures.average_precision(POSITIVE[rest], SCORE[rest], GROUPS[rest], share)
        assert areas[u] == pytest.approx(alone)


def test_the_expected_cost_by_hand() -> None:
    miss, alarm = measures.error_costs(10, 0.5)  # to call everyone positive costs 0.5 alarms
    assert (miss, alarm) == (20, 2)
    assert 0.5 * miss * 0.1 + 0.5 * alarm * 0.2 == pytest.approx(1.2)  # Se 0.9, Sp 0.8: better not to look
    miss, alarm = measures.error_costs(100, 21.97e-5)  # to call everyone negative costs 0.02197
    assert alarm == pytest.approx(1 / 0.02197)
    assert (1 - 21.97e-5) * alarm * (1 - 0.9867) == pytest.approx(0.605, abs=1e-3)  # 1,333 alarms per 100,000


def test_shifted_probabilities_are_the_predictive_value_of_a_call() -> None:
    share, prevalence, sensitivity, false_positives = 0.4, 21.97e-5, 0.98, 0.0133
    in_sample = share * sensitivity / (share * sensitivity + (1 - share) * false_positives)
    ppv = prevalence * sensitivity / (prevalence * sensitivity + (1 - prevalence) * false_positives)
    assert measures.shifted(in_sample, share, prevalence) == pytest.approx(ppv)
    assert ppv == pytest.approx(0.0159, abs=1e-4)
    assert measures.shifted([0, 0.5, 1], 0.5, 0.5).tolist() == [0, 0.5, 1]


def test_the_bound_of_precision_where_the_sample_shows_no_false_positive() -> None:
    positive = np.arange(100) < 50
    bound = measures.least_precision(positive, positive.astype(float), np.arange(100), 0.001)
    rate = 1 - 0.025 ** (1 / 50)  # Clopper-Pearson of 0 in 50
    assert bound == pytest.approx(0.001 / (0.001 + 0.999 * rate))
    assert measures.average_precision(positive, positive.astype(float), np.arange(100), 0.001) == 1


def test_class_calibration_by_hand_and_by_chance() -> None:
    stated, right = np.array([0.1, 0.1, 0.8, 0.8]), np.array([[0, 1, 1, 1]])
    assert measures.class_calibration_error(stated, right, np.ones(4), 2) == pytest.approx(0.5 * 0.4 + 0.5 * 0.2)
    weights = np.array([1, 1, 2, 0])  # an image without weight does not count
    assert measures.class_calibration_error(stated, right, weights, 2) == pytest.approx((0.8 + 0.4) / 4)
    stated, groups = RNG.random(4000), np.arange(4000)
    outcomes = measures.chance_outcomes(stated, groups, 50, RNG)
    assert measures.class_calibration_error(stated, outcomes, np.ones(4000), 10).mean() < 0.03
    overconfident = np.where(stated > 0.5, 0.9, 0.1)
    assert measures.class_calibration_error(overconfident, outcomes, np.ones(4000), 4) == pytest.approx(0.15, abs=0.03)


class World:
    """Data sets with units of real sizes whose images share their fate, and recipes whose seeds differ."""

    def __init__(self, n_units: tuple[int, int], rng: np.random.Generator) -> None:
        sizes = np.minimum(rng.geometric(0.35, sum(n_units)), 40)
        self.groups = np.repeat(np.arange(sum(n_units)), sizes)
        self.labels = (self.groups >= n_units[0]).astype(np.int64)

    def scores(self, n_seeds: int, rng: np.random.Generator) -> np.ndarray:
        """Return probabilities of class 1, (S, N). A unit's mean is shared by all seeds and most by its images."""
        n = self.groups.max() + 1
        unit = rng.normal(0, 1.2, n)[self.groups]
        seed = rng.normal(0, 0.3, (n_seeds, 1)) + rng.normal(0, 0.6, (n_seeds, n))[:, self.groups]
        own = rng.normal(0, 0.4, (n_seeds, self.groups.size))
        return np.asarray(1 / (1 + np.exp(-(3.5 * (2 * self.labels - 1) + 1.3 * unit + seed + own))))


def estimated(world: World, p: np.ndarray) -> dict[str, Scored]:
    labels, groups, positive = world.labels, world.groups, world.labels == 1
    called = (p >= 0.5).astype(np.int64)
    tasks = [(positive, row, groups) for row in p]
    cost = measures.unit_mean(np.where(positive, 10 * (1 - called), called) / 10, labels, groups, [0.99, 0.01])
    correlation = measures.confusion_score(labels, called, groups, 2, measures.matthews)
    return {
        "matthews": Scored(*((x + 1) / 2 for x in correlation)),
        "brier": measures.unit_mean((p - positive) ** 2, labels, groups),
        "cost": cost,
        "precision": Scored(
            np.array([measures.average_precision(*task) for task in tasks]),
            np.stack([measures.left_out_precision(*task) for task in tasks], axis=1),
        ),
        "shifted": measures.unit_mean(measures.shifted(p, 0.45, 0.01), labels, groups, [0.99, 0.01]),
    }


@pytest.mark.slow
def test_intervals_cover_what_they_state() -> None:
    rng = np.random.default_rng(1)
    draws = 2_000
    n_units = (69, 47)  # of the test part of brain_mri
    large = World((30_000, 20_000), rng)
    large_p = large.scores(20, rng)
    truth = {}
    for name, values in _whole(large, large_p, n_units).items():
        truth[name] = values.mean()
    inside: dict[str, list[bool]] = {name: [] for name in [*truth, "least precision"]}
    rare = np.mean([measures.average_precision(large.labels == 1, row, large.groups, 1e-3) for row in large_p])
    for _ in range(draws):
        world = World(n_units, rng)
        p = world.scores(5, rng)
        for name, scored in estimated(world, p).items():
            estimate = jackknife_estimate(*scored, strata=unit_classes(world.labels, world.groups))
            low = 0.0 if estimate.low is None else estimate.low
            inside[name].append(low <= truth[name] <= (1.0 if estimate.high is None else estimate.high))
        bounds = [measures.least_precision(world.labels == 1, row, world.groups, 1e-3) for row in p]
        inside["least precision"].append(float(np.mean(bounds)) <= rare)
    coverage = {name: float(np.mean(hits)) for name, hits in inside.items()}
    assert all(rate >= 0.935 for rate in coverage.values()), coverage


def _whole(world: World, p: np.ndarray, n_units: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the scores of a population of which a sample draws n_units of each class."""
    labels, groups, positive = world.labels, world.groups, world.labels == 1
    weights = unit_weights(labels, groups) * np.array(n_units)[labels]
    weights /= np.array([30_000, 20_000])[labels]
    called = (p >= 0.5).astype(np.int64)
    share = n_units[1] / sum(n_units)

    def mean(values: np.ndarray, shares: list[float]) -> np.ndarray:
        sides = [np.average(values[:, positive == s], axis=1, weights=weights[positive == s]) for s in (False, True)]
        return np.asarray(shares[0] * sides[0] + shares[1] * sides[1])

    return {
        "matthews": (measures.matthews(confusion_matrix(labels, called, 2, weights)) + 1) / 2,
        "brier": mean((p - positive) ** 2, [1 - share, share]),
        "cost": mean(np.where(positive, 10 * (1 - called), called) / 10, [0.99, 0.01]),
        "precision": np.array([average_precision_score(positive, row, sample_weight=weights) for row in p]),
        "shifted": mean(measures.shifted(p, 0.45, 0.01), [0.99, 0.01]),
    }
