"""Further scores against scikit-learn with unit weights, hand-worked and published numbers, and their intervals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, brier_score_loss, matthews_corrcoef

from pipeline.statistics import measures
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
    assert measures.score_precision(POSITIVE, SCORE[None], GROUPS).values == pytest.approx([theirs])
    share = 0.01
    reweighted = weights * np.where(POSITIVE, share / weights[POSITIVE].sum(), (1 - share) / weights[~POSITIVE].sum())
    theirs = average_precision_score(POSITIVE, SCORE, sample_weight=reweighted)
    assert measures.average_precision(POSITIVE, SCORE, GROUPS, share) == pytest.approx(theirs)


def test_scores_without_a_unit_are_those_of_the_sample_without_its_images() -> None:
    of = measures.confusion_score(LABELS, PREDICTED, GROUPS, 3, measures.matthews)
    mean = measures.unit_mean(PREDICTED == LABELS, LABELS, GROUPS, [0.2, 0.3, 0.5])
    areas = measures.score_precision(POSITIVE, np.stack([SCORE, -SCORE]), GROUPS)
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
        alone = [measures.average_precision(POSITIVE[rest], x[rest], GROUPS[rest], share) for x in (SCORE, -SCORE)]
        assert_allclose(areas.left_out[u], alone)


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
