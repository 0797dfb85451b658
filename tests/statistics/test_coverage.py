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
from scipy import special
from scipy.stats import beta, norm, t
from sklearn.metrics import average_precision_score

from pipeline.report.analysis.leaving_out import recipe_estimate, scaled_difference
from pipeline.report.analysis.out_of_fold import Decisions, score_out_of_fold
from pipeline.report.analysis.scoring import score_sample
from pipeline.report.sections.subgroups import rates_by_source
from pipeline.statistics.calibration import bin_of, reliability, reliability_bars
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import (
    Scored,
    area_difference,
    jackknife_difference,
    jackknife_estimate,
    left_out_scores,
    score_rate,
    score_variance,
    unit_classes,
    unit_variance,
)
from pipeline.statistics.measures import (
    average_precision,
    confusion_score,
    least_precision,
    left_out_precision,
    matthews,
    shifted,
    unit_mean,
)
from pipeline.statistics.roc import areas_under_roc, score_areas
from pipeline.statistics.scores import SCORES, class_scores, confusion_matrix, scores
from pipeline.statistics.screening import Operation, estimate_screening, likelihood_ratios
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
LEAST, WIDEST = 0.935, 1.2  # coverage; times the narrowest method that covers
SETS, SEEDS, DRAWS = 2_000, 5, 200

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

    def __init__(
        self,
        name: str,
        shares: tuple[float, ...],
        rng: np.random.Generator,
        units: list[dict[int, int]] | None = None,
    ) -> None:
        sizes = UNITS[name] if units is None else units
        rows = [(c, size) for c, of_class in enumerate(sizes) for size, n in of_class.items() for _ in range(n)]
        self.k, self.n_units, self.shares, self.rng = len(UNITS[name]), len(rows), shares, rng
        self.groups = np.repeat(np.arange(self.n_units), [size for _, size in rows])
        self.labels = np.array([c for c, _ in rows])[self.groups]
        self.n_class = np.bincount([c for c, _ in rows], minlength=self.k)
        self.total = sum(shares) + SEED + (SHIFT if self.k == 2 else 0)

    def margins(self, units: Array, errors: Array, of_seeds: Array | None = None) -> Array:
        """Return (S, N), negative where a seed is wrong. units: (U,) normal, what makes a unit hard.

        of_seeds: (S, 2) normal, what makes a seed good on all classes, and on one of two.
        """
        draw, n = self.rng.normal, self.labels.size
        of_seeds = draw(size=(SEEDS, 2)) if of_seeds is None else of_seeds
        unit, image, unit_seed, image_seed = np.sqrt(self.shares)
        z = unit * units[self.groups] + unit_seed * draw(size=(len(of_seeds), self.n_units))[:, self.groups]
        if image:
            z = z + image * draw(size=n) + image_seed * draw(size=(len(of_seeds), n))
        z = z + np.sqrt(SEED) * of_seeds[:, :1]
        if self.k == 2:
            z = z + np.sqrt(SHIFT) * of_seeds[:, 1:] * np.where(self.labels, 1, -1)
        return np.asarray(z / np.sqrt(self.total) - norm.ppf(errors)[self.labels])

    def predicted(self, margins: Array) -> Array:
        """Return (S, N): a wrong image is taken for the next class, or one at random."""
        n = self.n_units if not self.shares[1] else self.labels.size
        step = np.where(self.rng.random(n) < 0.5, 1, self.rng.integers(1, self.k, n))
        step = step[self.groups] if not self.shares[1] else step
        return np.where(margins < 0, (self.labels + step) % self.k, self.labels)

    def truth_of(self, errors: Array, a: float, b: float) -> dict[str, Array]:
        """Return every score of one seed, (a, b), on an endless sample. Macro scores average the classes that occur."""
        spread = np.full((self.k, self.k), 0.5 / (self.k - 1)) * (1 - np.eye(self.k)) + 0.5 * np.roll(
            np.eye(self.k), 1, 1
        )
        sides = np.array([-1, 1]) if self.k == 2 else np.zeros(self.k)
        rest = np.sqrt(sum(self.shares) / self.total)
        shift = (np.sqrt(SEED) * a + np.sqrt(SHIFT) * b * sides) / np.sqrt(self.total)
        wrong = norm.cdf((norm.ppf(errors) - shift) / rest)
        counts = (np.diag(1 - wrong) + spread * wrong[:, None]) * self.n_class[:, None]
        area = {"auc": norm.cdf((shift - norm.ppf(errors)).sum() / (rest * np.sqrt(2)))} if self.k == 2 else {}
        occurring = {f"macro_{of}": x[self.n_class > 0].mean() for of, x in class_scores(counts).items()}
        return every_score(counts) | area | occurring

    def truth(self, errors: Array) -> dict[str, float]:
        """Return every score, mean over seeds by quadrature."""
        x, weights = np.polynomial.hermite_e.hermegauss(15)
        weights = weights / weights.sum()
        out: defaultdict[str, float] = defaultdict(float)
        for a, wa in zip(x, weights, strict=True):
            for b, wb in zip(x, weights, strict=True):
                for name, value in self.truth_of(errors, a, b).items():
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
    drawn = [sample.rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in sample.n_class if n]
    counts = (np.concatenate(drawn, axis=1) @ each).reshape(DRAWS, lead, k, k)
    results = every_score(counts)
    by_class = class_scores(counts)
    results |= {
        f"macro_{of}": by_class[of][..., sample.n_class > 0].mean(axis=-1) for of in ("precision", "recall", "f1")
    }
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
        self,
        quantity: str,
        method: str,
        ends: tuple[float | None, float | None],
        truth: float,
        top: float = 1.0,
        bottom: float = 0.0,
    ) -> None:
        low, high = (bottom if ends[0] is None else ends[0]), (top if ends[1] is None else ends[1])
        self.rows[quantity, method].append((low <= truth <= high, high - low))

    def failures(self) -> list[str]:
        """Print the table; return the quantities whose interval is too short or too wide.

        A method competes if it covers in every setting of the test: "quantity | setting".
        """
        results = {key: np.mean(rows, axis=0) for key, rows in self.rows.items()}
        misses = {(of.split(" | ")[0], m) for (of, m), (covered, _) in results.items() if covered < LEAST}
        bad = []
        for quantity in dict.fromkeys(of for of, _ in results):
            methods = {m: result for (of, m), result in results.items() if of == quantity}
            covering = [width for m, (_, width) in methods.items() if (quantity.split(" | ")[0], m) not in misses]
            ratio = methods["page"][1] / min(covering, default=np.nan)
            cells = "  ".join(f"{m} {100 * c:.1f} ({100 * w:.1f})" for m, (c, w) in methods.items())
            print(f"{quantity:18s} {cells}  ratio {ratio:.2f}")
            if not (methods["page"][0] >= LEAST and ratio <= WIDEST):
                bad.append(f"{quantity}: {methods['page']}, ratio {ratio:.2f}")
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
            tails = quantity not in SCORES
            page = jackknife_estimate(values, of.left_out, strata=strata, n=n, heavy_tails=tails)
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
        tally.add("auc", "page", ends(jackknife_estimate(*areas, strata=strata, n=min(sizes))), truth["auc"])
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
    ("n_units", "k", "size", "widths"),
    [(100, 2, 1, (30, 30)), (116, 2, 3, (8, 3)), (150, 4, 2, (20, 6)), (300, 2, 2, (8, 30)), (300, 2, 2, (30, 8))],
)
def test_folds(n_units: int, k: int, size: int, widths: tuple[int, int]) -> None:
    """Real learners, five folds: a winner trained twice and a baseline trained once, with five seeds in the first fold.

    widths: of winner and baseline; narrow ones differ between seeds. Truth: the mean over data sets of the pooled
    score. Source: units of the first class, of which a third are from elsewhere.
    """
    rng, results, tally = np.random.default_rng(3), [], Tally()
    classes = np.arange(n_units) % k
    centres = (2.2 if k == 2 else 2.8) * np.eye(k, 8)
    of_source = (classes == 0) & (np.arange(n_units) % 3 > 0)
    for _ in range(SETS):
        sizes = rng.integers(1, 2 * size, n_units)
        unit = np.repeat(np.arange(n_units), sizes)
        x = centres[classes][unit] + np.sqrt(0.7) * rng.normal(size=(n_units, 8))[unit]
        x += np.sqrt(0.3) * rng.normal(size=x.shape)
        y, weights, folds = classes[unit], 1 / sizes[unit], np.empty(n_units, dtype=int)
        for c in range(k):
            members = rng.permutation(np.flatnonzero(classes == c))
            folds[members] = np.arange(members.size) % 5
        first, predicted, models = folds[unit] == 0, np.empty((2, SEEDS, y.size), dtype=int), []
        for runs, width, repeats in zip(predicted, widths, (2, 1), strict=True):
            for fold in range(5):
                test = folds[unit] == fold
                for run in runs[: repeats if fold else SEEDS]:
                    run[test] = learnt(x[~test], y[~test], weights[~test], width, rng)(x[test])
            sealed = Decisions(runs[:, first], y[first], unit[first], k)
            held_out = Decisions(runs[:repeats], y, unit, k)
            models.append(score_out_of_fold(held_out, folds[unit], sealed, scores)["macro_f1"])
        rows = of_source[unit]
        sources = np.where(rows, "here", "elsewhere")
        (rate,) = (
            of for of in rates_by_source(predicted[0, :2] == 0, unit, sources, folds[unit]) if of.source == "here"
        )
        results.append((*models, rate, score_rate(predicted[0, :2, rows].T == 0, unit[rows])))
    truths = [np.mean([of[i].pooled.mean() for of in results]) for i in (0, 1)]
    recall = float(np.mean([of.mean() for *_, of in results]))
    for winner, baseline, rate, of in results:
        by_fold = winner.by_fold.mean(axis=0), baseline.by_fold[0]
        for quantity, page, truth, each in (
            ("winner", winner.estimate, truths[0], by_fold[0]),
            ("baseline", baseline.estimate, truths[1], by_fold[1]),
            ("difference", winner.minus(baseline), truths[0] - truths[1], by_fold[0] - by_fold[1]),
        ):
            tally.add(quantity, "page", ends(page), truth)
            for method, share in (("Nadeau, Bengio", 1 / 5 + 1 / 4), ("independent folds", 1 / 5)):
                half = t.ppf(0.975, 4) * np.sqrt(each.var(ddof=1) * share)
                tally.add(quantity, method, (each.mean() - half, each.mean() + half), truth)
        tally.add("source", "page", ends(rate.rate), recall)
        tally.add("source", "repeats as seeds", ends(jackknife_estimate(*of)), recall)
        tally.add("source", "Wilson", wilson(of.mean(), rate.n_units), recall)
    assert tally.failures() == []


def part_of_units(sizes: list[dict[int, int]], share: float, rng: np.random.Generator) -> list[dict[int, int]]:
    """Return a random share of the units of each class, at least one."""
    drawn = []
    for of_class in sizes:
        units = np.repeat(list(of_class), list(of_class.values()))
        kept = rng.choice(units, max(1, round(share * units.size)), replace=False)
        drawn.append(dict(zip(*(x.tolist() for x in np.unique(kept, return_counts=True)), strict=True)))
    return drawn


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("shares", [COPIES, PATIENTS], ids=["copies", "patients"])
@pytest.mark.parametrize("name", ["brain_mri", "brain_mri_types", "digits"])
def test_the_weights_that_one_downloads(name: str, shares: tuple[float, ...]) -> None:
    """One seed. Truth: its score on an endless sample, so units vary alone."""
    if name == "digits" and shares is PATIENTS:
        pytest.skip("digits has one image per unit")
    sample, errors, tally = Sample(name, shares, np.random.default_rng(4)), np.array(ERRORS[name]), Tally()
    for _ in range(SETS):
        of_seed = sample.rng.normal(size=(1, 2))
        margins = sample.margins(sample.rng.normal(size=sample.n_units), errors, of_seed)
        truth = sample.truth_of(errors, *of_seed[0])
        predicted = sample.predicted(margins)
        page = score_sample(sample.labels, predicted, sample.groups, sample.k)
        drawn = resampled(sample, predicted, list(SCORES))
        for quantity in SCORES:
            tally.add(quantity, "page", ends(page.estimate(quantity, 0)), float(truth[quantity]))
            tally.add(quantity, "bootstrap", percentiles(drawn[quantity]), float(truth[quantity]))
        accuracy = float(page.whole["accuracy"][0])
        tally.add("accuracy", "Wilson", wilson(accuracy, sample.n_units), float(truth["accuracy"]))
        for c in range(sample.k) if sample.k == 2 else []:  # sensitivity and specificity
            rows = sample.labels == c
            rate = score_rate(margins[:, rows] >= 0, sample.groups[rows])
            n = len(rate.left_out)
            for method, interval in (
                ("page", ends(jackknife_estimate(*rate))),
                ("Wilson", wilson(rate.mean(), n)),
                ("exact", exact(rate.mean(), n)),
            ):
                tally.add(f"rate {c}", method, interval, float(truth[f"recall {c}"]))
    assert tally.failures() == []


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("shares", [COPIES, PATIENTS], ids=["copies", "patients"])
@pytest.mark.parametrize(("name", "share", "classes"), [("brain_mri_types", 0.3, 4), ("brain_mri_types", 0.5, 2)])
def test_subgroups(name: str, share: float, classes: int, shares: tuple[float, ...]) -> None:
    """A part of the test part, in which some classes are rare or do not occur; macro scores average those that do."""
    rng, tally = np.random.default_rng(5), Tally()
    errors = np.array(ERRORS[name])
    sample = Sample(name, shares, rng, part_of_units(UNITS[name][:classes], share, rng))
    truth = sample.truth(errors)
    for _ in range(SETS):
        predicted = sample.predicted(sample.margins(rng.normal(size=sample.n_units), errors))
        page = score_sample(sample.labels, predicted, sample.groups, sample.k, only_occurring=True)
        drawn = resampled(sample, predicted, ["accuracy", "macro_f1"])
        for quantity in ("accuracy", "macro_f1"):
            tally.add(quantity, "page", ends(page.estimate(quantity)), truth[quantity])
            tally.add(quantity, "bootstrap", percentiles(drawn[quantity].mean(axis=1)), truth[quantity])
        tally.add("accuracy", "Wilson", wilson(float(page.whole["accuracy"].mean()), sample.n_units), truth["accuracy"])
        for c in range(classes):
            name, n, value = f"recall {c}", float(sample.n_class[c]), float(page.whole["recall"][:, c].mean())
            tally.add(name, "page", ends(page.of_class("recall", c)), truth[name])
            tally.add(name, "Wilson", wilson(value, n), truth[name])
            tally.add(name, "exact", exact(value, n), truth[name])
    assert tally.failures() == []


class World:
    """Two classes of units whose images resemble each other, and recipes whose stated probabilities differ by seed."""

    def __init__(self, n_units: tuple[int, int], rng: np.random.Generator) -> None:
        sizes = np.minimum(rng.geometric(0.35, sum(n_units)), 40)
        self.n_units, self.rng = n_units, rng
        self.groups = np.repeat(np.arange(sum(n_units)), sizes)
        self.labels = (self.groups >= n_units[0]).astype(np.int64)
        self.strata = (np.arange(sum(n_units)) >= n_units[0]).astype(np.int64)
        self.weights = 1 / sizes[self.groups]

    def stated(self, of_seeds: Array, units: Array, strength: float = 3.5) -> Array:
        """Return probabilities of class 1, (S, N). of_seeds: (S,), units: (U,) normal; seeds rank the units apart."""
        draw, n = self.rng.normal, self.groups[-1] + 1
        seed = 0.3 * of_seeds[:, None] + draw(0, 0.6, (of_seeds.size, n))[:, self.groups]
        own = draw(0, 0.4, (of_seeds.size, self.groups.size))
        return special.expit(strength * (2 * self.labels - 1) + 1.6 * units[self.groups] + seed + own)


N_UNITS = (69, 47)  # of the test part of brain_mri
SHARE, RARE = 47 / 116, 0.01
SEED_GRID = norm.ppf((np.arange(15) + 0.5) / 15)  # of seeds, whose mean is the truth


def measured(world: World, p: Array) -> dict[str, tuple[Scored, float, float]]:
    """Return measures of the page with their range."""
    labels, groups, positive = world.labels, world.groups, world.labels == 1
    called = (p >= 0.5).astype(np.int64)
    tasks = [(positive, row, groups) for row in p]
    areas = [average_precision(*task) for task in tasks], [left_out_precision(*task) for task in tasks]
    cost = np.where(positive, 10 * (1 - called), called)
    return {
        "Matthews": (confusion_score(labels, called, groups, 2, matthews), -1.0, 1.0),
        "Brier": (unit_mean((p - positive) ** 2, labels, groups), 0.0, 1.0),
        "cost": (unit_mean(cost, labels, groups, [1 - RARE, RARE]), 0.0, 1 + 9 * RARE),
        "shifted": (unit_mean(shifted(p, SHARE, RARE), labels, groups, [1 - RARE, RARE]), 0.0, 1.0),
        "precision": (Scored(np.array(areas[0]), np.stack(areas[1], axis=1)), 0.0, 1.0),
        "AUC": (score_areas(positive, p, groups), 0.0, 1.0),
    }


def bounding_units(name: str) -> float:
    """Return the units that bound a measure on the page."""
    few = min(N_UNITS)
    rare = {"cost": np.array([1 - RARE, 10 * RARE]), "shifted": np.array([1 - RARE, RARE])}
    if name in rare:
        return float((N_UNITS / rare[name]).min() * rare[name].sum())
    return {"Matthews": 2.0 * few, "precision": few, "AUC": few}.get(name, sum(N_UNITS))


def reweighted(world: World, p: Array, weights: Array) -> dict[str, Array]:
    """Return the measures that are no areas, of M weightings, (M, S). weights: (M, N)."""
    positive, sides = world.labels == 1, (world.labels == 0, world.labels == 1)
    called = p >= 0.5

    def mean(values: Array, share: float) -> Array:
        negatives, positives = (
            weights[:, side] @ values[:, side].T / weights[:, side].sum(axis=1, keepdims=True) for side in sides
        )
        return np.asarray((1 - share) * negatives + share * positives)

    rates = [mean(called, share) for share in (0.0, 1.0)]
    cells = [(1 - SHARE) * (1 - rates[0]), (1 - SHARE) * rates[0], SHARE * (1 - rates[1]), SHARE * rates[1]]
    return {
        "Matthews": matthews(np.stack(cells, axis=-1).reshape(*cells[0].shape, 2, 2)),
        "Brier": mean((p - positive) ** 2, SHARE),
        "cost": mean(np.where(positive, 10 * ~called, called), RARE),
        "shifted": mean(shifted(p, SHARE, RARE), RARE),
    }


def true_measures(world: World, p: Array) -> dict[str, float]:
    """Return the measures of an endless sample, mean over seeds."""
    positive = world.labels == 1
    shares = np.where(positive, SHARE, 1 - SHARE) / np.array([20_000, 15_000])[world.labels] * world.weights
    areas = {
        "precision": np.mean([average_precision_score(positive, row, sample_weight=shares) for row in p]),
        "AUC": areas_under_roc(positive, p, world.groups).mean(),
    }
    return {name: float(np.mean(of)) for name, of in (reweighted(world, p, world.weights[None]) | areas).items()}


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_measures() -> None:
    """Two settings: few hard units, which a sample may lack, and many."""
    rng, tally = np.random.default_rng(1), Tally()

    def both(world: World, of_seeds: Array, strengths: tuple[float, float]) -> list[Array]:
        units, own = rng.normal(size=(2, sum(world.n_units)))
        first = world.stated(of_seeds[0], units, strengths[0])
        return [first, world.stated(of_seeds[1], 0.7 * units + np.sqrt(0.51) * own, strengths[1])]

    for setting, strengths in {"few": (3.5, 2.5), "many": (2.0, 1.5)}.items():
        large = World((20_000, 15_000), rng)
        p = both(large, np.stack([SEED_GRID, SEED_GRID]), strengths)
        truth, other = (true_measures(large, each) for each in p)
        rare = float(np.mean([average_precision(large.labels == 1, row, large.groups, 1e-3) for row in p[0]]))
        for _ in range(SETS):
            world = World(N_UNITS, rng)
            p, strata = both(world, rng.normal(size=(2, SEEDS)), strengths), world.strata
            units = [rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in N_UNITS]
            draws = np.concatenate(units, axis=1)[:, world.groups] * world.weights
            drawn = [{of: x.mean(axis=1) for of, x in reweighted(world, each, draws).items()} for each in p]
            of = [measured(world, each) for each in p]
            for name, (scored, lowest, highest) in of[0].items():
                quantity, against, is_area = f"{name} | {setting}", of[1][name][0], name in ("precision", "AUC")
                for method, n in (("page", bounding_units(name)), ("no bound", 1e9)):
                    tails = (name, method) == ("precision", "page")
                    estimate = recipe_estimate(scored, strata, n=n, lowest=lowest, highest=highest, heavy_tails=tails)
                    tally.add(quantity, method, ends(estimate), truth[name], highest, lowest)
                half = score_variance(scored, strata).half_width
                tally.add(quantity, "no logit", (scored.mean() - half, scored.mean() + half), truth[name])
                if not is_area:
                    tally.add(quantity, "bootstrap", percentiles(drawn[0][name]), truth[name])
                if name in ("cost", "shifted"):
                    continue  # no difference on the page
                quantity, gap = f"d {name} | {setting}", truth[name] - other[name]
                plain = scaled_difference(scored, against, strata, highest - lowest)
                page = area_difference(scored, against, strata) if is_area else plain
                tally.add(quantity, "page", ends(page), gap)
                if is_area:
                    tally.add(quantity, "no logit", ends(plain), gap)
                else:
                    tally.add(quantity, "bootstrap", percentiles(drawn[0][name] - drawn[1][name]), gap)
            bounds = [least_precision(world.labels == 1, row, world.groups, 1e-3) for row in p[0][:1]]
            tally.add(f"least precision | {setting}", "page", (float(np.mean(bounds)), None), rare)
    assert tally.failures() == []


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_calibration_of_a_class() -> None:
    rng, tally = np.random.default_rng(6), Tally()
    large = World((20_000, 15_000), rng)
    p = large.stated(SEED_GRID, rng.normal(size=35_000))
    sides = [np.average(p[:, large.labels == c], axis=1, weights=large.weights[large.labels == c]) for c in (0, 1)]
    truth = float(((1 - SHARE) * sides[0] + SHARE * sides[1]).mean()) - SHARE
    for _ in range(SETS):
        world = World(N_UNITS, rng)
        p = world.stated(rng.normal(size=SEEDS), rng.normal(size=116))
        surplus = p - world.labels
        scored = unit_mean(surplus, world.labels, world.groups)
        tally.add("surplus", "page", ends(jackknife_estimate(*scored, strata=world.strata, bounded=False)), truth)
        units = [rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in N_UNITS]
        weights = np.concatenate(units, axis=1)[:, world.groups] * world.weights
        tally.add("surplus", "bootstrap", percentiles((weights @ surplus.mean(axis=0)) / 116), truth)
    assert tally.failures() == []


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("n_units", "n_bins"), [(N_UNITS, 5), ((150, 119), 10)])
def test_calibration_bars(n_units: tuple[int, int], n_bins: int) -> None:
    """Truth: the share that is right in the bin on an endless sample, for the same seeds; only units vary."""
    rng, tally, n_seeds = np.random.default_rng(7), Tally(), 20
    for _ in range(n_seeds):
        of_seeds = rng.normal(size=SEEDS)
        large = World((100 * n_units[0], 100 * n_units[1]), rng)
        p = large.stated(of_seeds, rng.normal(size=100 * sum(n_units)), 2.0)
        order = np.argsort(np.maximum(p, 1 - p), axis=None)
        everywhere = np.maximum(p, 1 - p).ravel()[order]
        weights = np.tile(large.weights, SEEDS)[order]
        sums = [np.append(0, np.cumsum(x)) for x in (weights, weights * ((p >= 0.5) == large.labels).ravel()[order])]
        for _ in range(SETS // n_seeds):
            world = World(n_units, rng)
            p = world.stated(of_seeds, rng.normal(size=sum(n_units)), 2.0)
            confidence, right = np.maximum(p, 1 - p), (p >= 0.5) == world.labels
            bars = reliability_bars(confidence, right, world.groups, n_bins)
            index = bin_of(confidence.ravel(), n_bins, np.tile(world.weights, SEEDS))
            edges = [confidence.ravel()[index <= b].max() for b in range(n_bins - 1)]
            places = np.concatenate([[0], np.searchsorted(everywhere, edges, side="right"), [everywhere.size]])
            held, hits = (np.diff(of[places]) for of in sums)
            n = reliability(confidence.ravel(), right.ravel(), n_bins, np.tile(world.weights, SEEDS) / SEEDS)[1]
            for b, (_, accuracy, low, high) in enumerate(bars):
                truth = min(float(hits[b] / held[b]), 1.0)
                tally.add(f"bar {b}", "page", (low, high), truth)
                tally.add(f"bar {b}", "Wilson", wilson(accuracy, n[b]), truth)
                tally.add(f"bar {b}", "exact", exact(accuracy, n[b]), truth)
    assert tally.failures() == []
