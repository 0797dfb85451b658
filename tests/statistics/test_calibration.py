"""Calibration, against scikit-learn and scipy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from pipeline.statistics import calibration
from pipeline.statistics.calibration import ROUNDING
from pipeline.statistics.scores import log_loss


def test_equal_mass_bins_on_a_hand_worked_example() -> None:
    confidence = np.array([0.9, 0.6, 0.7, 1.0])
    right = np.array([True, False, True, True])
    rows, n = calibration.reliability(confidence, right, 2)  # the median 0.8 parts 0.6, 0.7 from 0.9, 1.0
    assert_allclose(rows, [[0.65, 0.5], [0.95, 1.0]])
    assert_array_equal(n, [2, 2])
    assert calibration.calibration_error(confidence, right, 2) == pytest.approx(0.5 * 0.15 + 0.5 * 0.05)


PRIMES = [17, 19, 23, 41, 61, 97, 151, 293]  # n - 1: no image lies on an edge, where scikit-learn rounds either way


def test_curve_and_error_equal_scikit_learn_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    for i in range(1_000):
        n, n_bins = (1, 10) if i < 5 else (1 + int(rng.choice(PRIMES)), int(rng.integers(1, 16)))
        confidence = np.round(rng.beta(5, rng.uniform(0.1, 2), n), i % 4 + 1)  # rounding makes ties
        right = rng.random(n) < confidence if i % 10 else np.full(n, bool(i % 20))
        accuracy, mean = calibration_curve(
            right.astype(int), confidence, n_bins=n_bins, strategy="quantile", pos_label=1
        )
        rows, sizes = calibration.reliability(confidence, right, n_bins)
        assert_allclose(rows, np.stack([mean, accuracy], axis=1), atol=1e-12)
        assert sizes.sum() == n
        gap = 0.0  # bin by bin, from the definition
        edges = np.percentile(confidence, 100 * np.arange(1, n_bins) / n_bins)
        owner = np.array([np.sum(edges < c) for c in confidence])
        for b in set(owner):
            gap += (owner == b).mean() * abs(confidence[owner == b].mean() - right[owner == b].mean())
        assert calibration.calibration_error(confidence, right, n_bins) == pytest.approx(gap, abs=1e-12)


def test_equal_confidences_share_a_bin_in_any_order() -> None:
    confidence, right = np.array([1.0] * 50 + [0.5] * 10), np.arange(60) % 3 > 0
    order = np.random.default_rng(0).permutation(60)
    error = calibration.calibration_error(confidence, right, 10)
    assert error == calibration.calibration_error(confidence[order], right[order], 10)
    assert calibration.reliability(confidence, right, 10)[1].size == 2


def test_exact_probabilities_leave_the_error_that_chance_leaves() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1, 300)
    expected = np.mean(
        [calibration.calibration_error(confidence, rng.random(300) < confidence, 10) for _ in range(2_000)]
    )
    assert calibration.exact_error(confidence, np.arange(300), 10, 1_000, rng) == pytest.approx(expected, rel=0.05)
    grouped = calibration.exact_error(confidence, np.arange(300) // 10, 10, 1_000, rng)
    assert grouped > 1.2 * expected  # thirty groups say less than 300 images


def outputs(rng: np.random.Generator, n: int, k: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(z), stated as softmax(sharpness * z): the right temperature is the sharpness."""
    z = rng.normal(0, 1.5, (n, k))
    labels = (softmax(z, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return softmax(sharpness * z, axis=1), labels


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    stated, labels = outputs(rng, 20_000, 4, 2.5)
    (temperature,) = calibration.fit_temperature(stated[None], labels)
    assert temperature == pytest.approx(2.5, rel=0.03)
    after = calibration.tempered(stated, temperature)
    assert_array_equal(after.argmax(axis=1), stated.argmax(axis=1))
    assert log_loss(after, labels, floor=ROUNDING) < log_loss(stated, labels, floor=ROUNDING)

    def error(p: np.ndarray) -> float:
        return calibration.calibration_error(p.max(axis=1), p.argmax(axis=1) == labels, 10)

    assert error(after) < 0.015 < 0.1 < error(stated)


def test_temperature_equals_a_minimum_found_by_scipy() -> None:
    rng = np.random.default_rng(1)
    tables = [
        outputs(rng, int(rng.integers(20, 200)), int(rng.integers(2, 11)), rng.uniform(0.5, 4)) for _ in range(25)
    ]
    for stated, labels in tables:
        n_classes = stated.shape[1]
        z = np.log(np.maximum(stated, 5e-7))

        def loss(t: float, z: np.ndarray = z, y: np.ndarray = labels, k: int = n_classes) -> float:
            return float(reference.log_loss(y, softmax(z / np.exp(t), axis=1), labels=range(k)))

        expected = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-9})
        (temperature,) = calibration.fit_temperature(stated[None], labels)
        assert loss(np.log(temperature)) <= expected.fun + 1e-9
        assert log_loss(stated, labels, floor=ROUNDING) == pytest.approx(loss(0.0), rel=1e-5)


def test_temperatures_of_several_runs_equal_those_of_each() -> None:
    rng = np.random.default_rng(2)
    stated, labels = outputs(rng, 400, 3, 2.0)
    other = calibration.tempered(stated, 0.7)
    both = calibration.fit_temperature(np.stack([stated, other]), labels)
    assert_allclose(both, [calibration.fit_temperature(p[None], labels)[0] for p in (stated, other)])
    assert both[1] == pytest.approx(both[0] / 0.7, rel=1e-2)  # but for what the rounding cuts off


def test_without_an_error_there_is_no_temperature() -> None:
    stated = np.array([[[0.9, 0.1], [0.2, 0.8]]])
    assert np.isnan(calibration.fit_temperature(stated, np.array([0, 1]))).all()


def test_a_probability_rounded_to_zero_stays_finite() -> None:
    stated = np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])
    labels = np.array([0, 1, 1])
    assert np.isfinite(log_loss(stated, labels, floor=ROUNDING)).all()
    assert np.isfinite(calibration.fit_temperature(stated, labels)).all()
