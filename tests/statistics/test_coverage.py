"""Every 95 % interval of a page, by simulation: how often it holds the true value, and how wide it is.

Data sets have the units of real test parts, five seeds that differ, and images of a unit that share their fate (copies)
or resemble each other (patients). Truth: the mean over seeds of the score on an endless sample.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, norm, t

from pipeline.statistics.folds import fold_difference, fold_estimate
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import (
    Scored,
    jackknife_difference,
    jackknife_estimate,
    left_out_scores,
    score_rate,
    score_variance,
    unit_classes,
    unit_variance,
)
from pipeline.statistics.roc import score_areas
from pipeline.statistics.scores import SCORES, class_scores, confusion_matrix, scores
from pipeline.statistics.screening import Operation, estimate_screening, likelihood_ratios
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
LEAST, WIDEST = 0.935, 1.2  # coverage; times the narrowest method that covers
SETS, SEEDS, DRAWS = 2_000, 5, 300

# images per unit: number of such units, per class; without patients: the 269 pictures of digits
UNITS: dict[str, list[dict[int, int]]] = {
    "brain_mri": [
        {1: 28, 2: 23, 3: 2, 4: 2, 5: 1, 7: 1, 9: 1, 10: 1, 13: 2, 17: 1, 18: 1, 19: 1, 20: 1, 21: 1, 23: 1, 24: 1,
         34: 1},
        {1: 14, 2: 4, 3: 2, 4: 1, 5: 3, 6: 3, 7: 1, 8: 1, 9: 1, 10: 3, 11: 1, 14: 2, 15: 2, 16: 2, 17: 2, 21: 1, 22: 1,
         24: 1, 28: 1, 29: 1},
    ],
    "brain_mri_types": [
        {1: 6, 2: 1, 4: 1, 6: 1, 7: 1, 10: 1, 12: 1, 13: 2, 19: 1, 21: 1, 23: 1},
        {1: 9, 2: 18, 3: 1, 4: 3, 6: 3, 7: 1, 9: 1, 11: 1, 15: 1, 19: 1},
        {1: 1, 3: 1, 4: 1, 8: 1, 9: 1, 10: 1, 12: 1, 13: 1, 14: 1, 16: 1, 20: 1, 22: 1},
        {1: 26, 2: 12, 3: 1, 6: 1, 8: 2},
    ],
    "digits": [{1: 27}] * 9 + [{1: 26}],
}  # fmt: skip
ERRORS = {"brain_mri": [0.18, 0.09], "brain_mri_types": [0.2, 0.15, 0.08, 0.1], "digits": [0.012] * 10}
# share of the variance of what makes an image wrong: unit, image, unit and seed, image and seed
COPIES, PATIENTS = (0.72, 0.0, 0.25, 0.0), (0.45, 0.25, 0.12, 0.15)
SEED, SHIFT = 0.01, 0.01  # variance of a seed, on all classes and on the threshold


class Sample:
    """Labels and groups of a test part; draws predictions of recipes whose error rates per class are known."""

    def __init__(self, name: str, shares: tuple[float, ...], rng: np.random.Generator) -> None:
        rows = [(c, size) for c, units in enumerate(UNITS[name]) for size, n in units.items() for _ in range(n)]
        self.k, self.n_units, self.shares, self.rng = len(UNITS[name]), len(rows), shares, rng
        self.groups = np.repeat(np.arange(self.n_units), [size for _, size in rows])
        self.labels = np.array([c for c, _ in rows])[self.groups]
        self.n_class = np.bincount([c for c, _ in rows])
        self.total = sum(shares) + SEED + (SHIFT if self.k == 2 else 0)

    def margins(self, units: Array, errors: Array) -> Array:
        """Return (S, N), negative where a seed is wrong. units: (U,) normal, what makes a unit hard."""
        draw, n = self.rng.normal, self.labels.size
        unit, image, unit_seed, image_seed = np.sqrt(self.shares)
        z = unit * units[self.groups] + unit_seed * draw(size=(SEEDS, self.n_units))[:, self.groups]
        if image:
            z = z + image * draw(size=n) + image_seed * draw(size=(SEEDS, n))
        z = z + np.sqrt(SEED) * draw(size=(SEEDS, 1))
        if self.k == 2:
            z = z + np.sqrt(SHIFT) * draw(size=(SEEDS, 1)) * np.where(self.labels, 1, -1)
        return np.asarray(z / np.sqrt(self.total) - norm.ppf(errors)[self.labels])

    def predicted(self, margins: Array) -> Array:
        """Return (S, N): a wrong image is taken for the next class, or one at random."""
        n = self.n_units if not self.shares[1] else self.labels.size
        step = np.where(self.rng.random(n) < 0.5, 1, self.rng.integers(1, self.k, n))
        step = step[self.groups] if not self.shares[1] else step
        return np.where(margins < 0, (self.labels + step) % self.k, self.labels)

    def truth(self, errors: Array) -> dict[str, float]:
        """Return every score, mean over seeds by quadrature."""
        x, weights = np.polynomial.hermite_e.hermegauss(15)
        weights = weights / weights.sum()
        spread = np.full((self.k, self.k), 0.5 / (self.k - 1)) * (1 - np.eye(self.k)) + 0.5 * np.roll(
            np.eye(self.k), 1, 1
        )
        sides = np.array([-1, 1]) if self.k == 2 else np.zeros(self.k)
        rest = np.sqrt(sum(self.shares) / self.total)
        out: defaultdict[str, float] = defaultdict(float)
        for a, wa in zip(x, weights, strict=True):
            for b, wb in zip(x, weights, strict=True):
                shift = (np.sqrt(SEED) * a + np.sqrt(SHIFT) * b * sides) / np.sqrt(self.total)
                wrong = norm.cdf((norm.ppf(errors) - shift) / rest)
                results = every_score((np.diag(1 - wrong) + spread * wrong[:, None]) * self.n_class[:, None])
                if self.k == 2:
                    results["auc"] = norm.cdf((shift - norm.ppf(errors)).sum() / (rest * np.sqrt(2)))
                for name, value in results.items():
                    out[name] += float(wa * wb * value)
        return out


def every_score(counts: Array) -> dict[str, Array]:
    by_class = class_scores(counts)
    classes = {
        f"{name} {c}": by_class[name][..., c] for name in ("precision", "recall", "f1") for c in range(counts.shape[-1])
    }
    return scores(counts) | classes


def resampled(sample: Sample, predicted: Array, names: list[str]) -> dict[str, Array]:
    """Return the competitor: scores of a bootstrap over units within classes, (DRAWS, runs) each."""
    k, lead = sample.k, len(predicted)
    cell = (np.arange(lead)[:, None] * k + sample.labels) * k + predicted
    place = sample.groups * (lead * k * k) + cell
    weights = np.tile(unit_weights(sample.labels, sample.groups), lead)
    each = np.bincount(place.ravel(), weights, sample.n_units * lead * k * k).reshape(sample.n_units, -1)
    drawn = [sample.rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in sample.n_class]
    counts = (np.concatenate(drawn, axis=1) @ each).reshape(DRAWS, lead, k, k)
    results = every_score(counts)
    return {name: results[name] for name in names}


def wilson(p: float, n: float) -> tuple[float, float]:
    z = 1.959964
    spread = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (p + z**2 / (2 * n) - spread) / (1 + z**2 / n), (p + z**2 / (2 * n) + spread) / (1 + z**2 / n)


def exact(p: float, n: float) -> tuple[float, float]:
    x = p * n
    return (0.0 if p == 0 else float(beta.ppf(0.025, x, n - x + 1))), (
        1.0 if p == 1 else float(beta.ppf(0.975, x + 1, n - x))
    )


def percentiles(draws: Array) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


class Tally:
    """Coverage and mean width of methods by quantity; the method `page` is that of the reports."""

    def __init__(self) -> None:
        self.rows: defaultdict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)

    def add(
        self, quantity: str, method: str, ends: tuple[float | None, float | None], truth: float, top: float = 1.0
    ) -> None:
        low, high = (0.0 if ends[0] is None else ends[0]), (top if ends[1] is None else ends[1])
        self.rows[quantity, method].append((low <= truth <= high, high - low))

    def failures(self, *, judge_width: bool = True) -> list[str]:
        """Print the table; return the quantities whose interval is too short or too wide."""
        bad = []
        for quantity in dict.fromkeys(of for of, _ in self.rows):
            results = {m: np.mean(rows, axis=0) for (of, m), rows in self.rows.items() if of == quantity}
            covering = [width for covered, width in results.values() if covered >= LEAST]
            ratio = results["page"][1] / min(covering, default=np.nan)
            cells = "  ".join(f"{m} {100 * c:.1f} ({100 * w:.1f})" for m, (c, w) in results.items())
            print(f"{quantity:18s} {cells}  ratio {ratio:.2f}")
            if results["page"][0] < LEAST or (judge_width and ratio > WIDEST):
                bad.append(f"{quantity}: {results['page']}, ratio {ratio:.2f}")
        return bad


def ends(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate.low, estimate.high


def pairs(sample: Sample, errors: Array, n_sets: int) -> Iterator[tuple[Array, Array]]:
    """Yield the margins of a winner and a baseline with 1.3 times its errors, which finds similar units hard."""
    for _ in range(n_sets):
        units, own = sample.rng.normal(size=(2, sample.n_units))
        yield sample.margins(units, errors), sample.margins(0.7 * units + np.sqrt(0.51) * own, 1.3 * errors)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("shares", [COPIES, PATIENTS], ids=["copies", "patients"])
@pytest.mark.parametrize("name", ["brain_mri", "brain_mri_types", "digits"])
def test_scores(name: str, shares: tuple[float, ...]) -> None:
    if name == "digits" and shares is PATIENTS:
        pytest.skip("digits has one image per unit")
    sample, errors, tally = Sample(name, shares, np.random.default_rng(1)), np.array(ERRORS[name]), Tally()
    truth, other = sample.truth(errors), sample.truth(1.3 * errors)
    labels, groups, k = sample.labels, sample.groups, sample.k
    weights, strata = unit_weights(labels, groups), unit_classes(labels, groups)
    classes = range(k) if k < 10 else range(2)
    quantities = [*SCORES, *(f"{of} {c}" for of in ("precision", "recall", "f1") for c in classes)]
    for first, second in pairs(sample, errors, SETS):
        predicted = [sample.predicted(margins) for margins in (first, second)]
        counts = [confusion_matrix(labels, p, k, weights) for p in predicted]
        whole = [every_score(c) for c in counts]
        left_out = [left_out_scores(labels, p, groups, k, every_score) for p in predicted]
        both = resampled(sample, np.concatenate(predicted), quantities)
        drawn = [{of: rows[:, runs] for of, rows in both.items()} for runs in (slice(SEEDS), slice(SEEDS, None))]
        for quantity in quantities:
            values, of = whole[0][quantity], Scored(whole[0][quantity], left_out[0][quantity])
            n = float(sample.n_units) if quantity == "accuracy" else float(k * sample.n_class.min())
            if quantity not in SCORES:
                kind, c = quantity.split()
                n_true, n_predicted = (counts[0].sum(axis=axis).mean(axis=0)[int(c)] for axis in (2, 1))
                n = {"recall": n_true, "precision": n_predicted, "f1": n_true + n_predicted}[kind]
            page = jackknife_estimate(values, of.left_out, strata=strata, n=n)
            tally.add(quantity, "page", ends(page), truth[quantity])
            without = jackknife_estimate(
                values.mean(keepdims=True), of.left_out.mean(axis=1)[:, None], strata=strata, n=n
            )
            tally.add(quantity, "no seeds", ends(without), truth[quantity])
            tally.add(quantity, "bootstrap", percentiles(drawn[0][quantity].mean(axis=1)), truth[quantity])
            if quantity == "accuracy" or quantity.startswith("recall"):
                tally.add(quantity, "Wilson", wilson(float(values.mean()), n), truth[quantity])
                tally.add(quantity, "exact", exact(float(values.mean()), n), truth[quantity])
            if quantity in SCORES:
                gap, against = truth[quantity] - other[quantity], Scored(whole[1][quantity], left_out[1][quantity])
                tally.add(f"d {quantity}", "page", ends(jackknife_difference(of, against, strata)), gap)
                leads = drawn[0][quantity].mean(axis=1) - drawn[1][quantity].mean(axis=1)
                tally.add(f"d {quantity}", "bootstrap", percentiles(leads), gap)
                apart = unit_variance((of.left_out.mean(axis=1) - against.left_out.mean(axis=1)), strata).half_width
                middle = of.mean() - against.mean()
                tally.add(f"d {quantity}", "no seeds", (middle - apart, middle + apart), gap)
    assert tally.failures() == []


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("shares", [COPIES, PATIENTS], ids=["copies", "patients"])
def test_screening_and_area(shares: tuple[float, ...]) -> None:
    sample, errors, tally = (
        Sample("brain_mri", shares, np.random.default_rng(2)),
        np.array(ERRORS["brain_mri"]),
        Tally(),
    )
    truth, positive = sample.truth(errors), sample.labels == 1
    se, sp = truth["recall 1"], truth["recall 0"]
    prior = 0.5
    for margins, _ in pairs(sample, errors, SETS):
        sides = [score_rate(margins[:, side] >= 0, sample.groups[side]) for side in (positive, ~positive)]
        sizes = [len(side.left_out) for side in sides]
        variances = score_variance(sides[0]), score_variance(sides[1])
        operation = Operation(sides[0].mean(), sides[1].mean(), sizes[0], sizes[1], variances)
        estimate = estimate_screening(operation, 1e5 * prior, 1.0)
        plain = estimate_screening(Operation(sides[0].mean(), sides[1].mean(), *sizes), 1e5 * prior, 1.0)
        positive_ratio, negative_ratio = likelihood_ratios(operation)
        for quantity, value in {"sensitivity": se, "specificity": sp, "false_positives": (1 - sp) / 2,
                                "false_negatives": (1 - se) / 2, "ppv": se / (se + 1 - sp),
                                "npv": sp / (sp + 1 - se)}.items():  # fmt: skip
            tally.add(quantity, "page", ends(getattr(estimate, quantity)), value)
            tally.add(quantity, "n of groups", ends(getattr(plain, quantity)), value)
        tally.add("lr+", "page", ends(positive_ratio), se / (1 - sp), 1e3)
        tally.add("lr-", "page", ends(negative_ratio), (1 - se) / sp)
        areas = score_areas(positive, np.where(positive, margins, -margins), sample.groups)
        strata = unit_classes(sample.labels, sample.groups)
        tally.add("auc", "page", ends(jackknife_estimate(*areas, strata=strata, n=np.inf)), truth["auc"])
        half = unit_variance(areas.left_out.mean(axis=1), strata).half_width
        tally.add("auc", "DeLong", (areas.mean() - half, areas.mean() + half), truth["auc"])
    assert tally.failures() == []


def learnt(x: Array, y: Array, weights: Array, width: int, rng: np.random.Generator) -> Any:
    """Return a ridge classifier on random features, which stand for the seed."""
    features = rng.normal(size=(x.shape[1] + 1, width))

    def seen(rows: Array) -> Array:
        return np.maximum(np.c_[rows, np.ones(len(rows))] @ features, 0)

    f, targets = seen(x), np.eye(y.max() + 1)[y] - 1 / (y.max() + 1)
    beta_ = np.linalg.solve((f.T * weights) @ f + np.eye(width), (f.T * weights) @ targets)
    return lambda rows: (seen(rows) @ beta_).argmax(axis=1)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("n_units", "k", "sep", "width", "size"), [(100, 2, 2.2, 30, 1), (116, 2, 2.2, 8, 3), (150, 4, 2.8, 20, 2)]
)
def test_folds(n_units: int, k: int, sep: float, width: int, size: int) -> None:
    """Real learners, five folds, two seeds; truth: the mean over data sets, which the pooled score estimates."""
    rng, results, tally = np.random.default_rng(3), [], Tally()
    classes = np.arange(n_units) % k
    centres = sep * np.eye(k, 8)
    for _ in range(SETS):
        sizes = rng.integers(1, 2 * size, n_units)
        unit = np.repeat(np.arange(n_units), sizes)
        x = centres[classes][unit] + np.sqrt(0.7) * rng.normal(size=(n_units, 8))[unit]
        x += np.sqrt(0.3) * rng.normal(size=x.shape)
        y, weights, folds = classes[unit], 1 / sizes[unit], np.empty(n_units, dtype=int)
        for c in range(k):
            members = rng.permutation(np.flatnonzero(classes == c))
            folds[members] = np.arange(members.size) % 5
        predicted = np.empty((2, y.size), dtype=int)
        for fold in range(5):
            test = folds[unit] == fold
            for run in predicted:
                run[test] = learnt(x[~test], y[~test], weights[~test], width, rng)(x[test])
        left_out = left_out_scores(y, predicted, unit, k, scores)
        values = scores(confusion_matrix(y, predicted, k, weights))
        by_fold = [
            scores(confusion_matrix(y[folds[unit] == f], predicted[:, folds[unit] == f], k, weights[folds[unit] == f]))[
                "macro_f1"
            ].mean()
            for f in range(5)
        ]
        results.append((Scored(values["macro_f1"], left_out["macro_f1"]), folds, np.array(by_fold)))
    truth = float(np.mean([of.mean() for of, *_ in results]))
    for of, folds, by_fold in results:
        tally.add("folds", "page", ends(fold_estimate(of.values, of.left_out, folds, strata=classes)), truth)
        tally.add("folds", "repeats as seeds", ends(jackknife_estimate(of.values, of.left_out, strata=classes)), truth)
        half = t.ppf(0.975, 4) * np.sqrt(by_fold.var(ddof=1) * (1 / 5 + 1 / 4))
        tally.add("folds", "Nadeau, Bengio", (by_fold.mean() - half, by_fold.mean() + half), truth)
        same = fold_difference(of, of, folds, classes)
        assert same.value == 0
    assert tally.failures() == []
