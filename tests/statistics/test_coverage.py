"""Every 95 % interval of a page, by simulation: how often it holds the true value, and how wide it is.

Data sets have the units of real test parts, five seeds that differ, and images of a unit that share their fate (copies)
or resemble each other (patients). Truth: the mean over seeds of the score on an endless sample.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import average_precision_score

from coverage_examples import (
    COPIES,
    DRAWS,
    ERRORS,
    PATIENTS,
    RIVALS,
    SEED_GRID,
    SEEDS,
    SETS,
    SOURCES,
    Bootstraps,
    Sample,
    Tally,
    World,
    averaged,
    ends,
    estimate_of,
    exact,
    percentiles,
    similar,
    symmetric,
    units_of,
    wilson,
)
from pipeline.report.analysis.leaving_out import paired_change, recipe_estimate, scaled_difference
from pipeline.report.analysis.out_of_fold import Decisions, score_out_of_fold
from pipeline.report.analysis.scoring import SampleScores, score_sample
from pipeline.report.sections.robustness import flipped_share
from pipeline.report.sections.subgroups import rates_by_source
from pipeline.statistics.calibration import bin_of, reliability, reliability_bars
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import (
    Scored,
    area_difference,
    interval_of,
    jackknife_difference,
    jackknife_estimate,
    score_rate,
    score_variance,
    unit_classes,
    unit_variance,
)
from pipeline.statistics.measures import (
    average_precision,
    confusion_score,
    least_precision,
    matthews,
    score_precision,
    shifted,
    unit_mean,
)
from pipeline.statistics.roc import areas_under_roc, mean_areas, score_areas
from pipeline.statistics.scores import SCORES, class_scores
from pipeline.statistics.screening import Operation, estimate_screening, likelihood_ratios

Array = NDArray[Any]
by_resemblance = pytest.mark.parametrize("shares", [COPIES, PATIENTS], ids=["copies", "patients"])
by_data_set = pytest.mark.parametrize(
    ("name", "shares"),
    [(name, shares) for name in SOURCES for shares in (COPIES, PATIENTS) if (name, shares) != ("digits", PATIENTS)],
    ids=["brain_mri-copies", "brain_mri-patients", "brain_mri_types-copies", "brain_mri_types-patients", "digits"],
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]


@by_data_set
def test_scores(name: str, shares: tuple[float, ...]) -> None:
    """Scores of a winner, its lead on a baseline, and those of its first seed: the weights that one downloads."""
    rng, errors, tally = np.random.default_rng(1), np.array(ERRORS[name]), Tally()
    sample = Sample(name, shares, rng)
    labels, groups, k = sample.labels, sample.groups, sample.k
    quantities = [*SCORES, *(f"{of} {c}" for of in ("precision", "recall", "f1") for c in range(k if k < 10 else 2))]
    truth, other = sample.truth(errors), sample.truth(1.3 * errors)
    truth |= {f"lead, {of}": truth[of] - other[of] for of in SCORES}
    for number in range(SETS):
        units, of_seeds = rng.normal(size=sample.n_units), rng.normal(size=(SEEDS, 2))
        margins = sample.margins(units, errors, of_seeds), sample.margins(similar(units, rng), 1.3 * errors)
        predicted = [sample.predicted(of) for of in margins]
        page, baseline = (score_sample(labels, of, groups, k) for of in predicted)
        truth |= {f"weights, {of}": float(x) for of, x in sample.truth_of(errors, *of_seeds[0]).items()}
        for quantity in quantities:
            tally.add(quantity, "page", ends(estimate_of(page, quantity)), truth[quantity])
        for of in SCORES:
            lead = jackknife_difference(page.scored(of), baseline.scored(of), page.strata)
            tally.add(f"lead, {of}", "page", ends(lead), truth[f"lead, {of}"])
            tally.add(f"weights, {of}", "page", ends(page.estimate(of, 0)), truth[f"weights, {of}"])
        for c in range(k) if k == 2 else ():  # specificity, sensitivity
            rate = score_rate(margins[0][:1, labels == c] >= 0, groups[labels == c])
            tally.add(f"weights, recall {c}", "page", ends(jackknife_estimate(*rate)), truth[f"weights, recall {c}"])
        if number % RIVALS == 0:
            for quantity, method, interval in rivals(sample, predicted, (page, baseline), quantities):
                tally.add(quantity, method, interval, truth[quantity])
    assert tally.failures() == []


def rivals(
    sample: Sample, predicted: list[Array], of: tuple[SampleScores, SampleScores], quantities: list[str]
) -> Iterator[tuple[str, str, Any]]:
    """Yield quantity, method and interval of methods that the pages do not use. of: winner and baseline."""
    resampled = sample.every_score(sample.resampled(np.concatenate(predicted)))
    alone = [averaged(model) for model in of]
    for quantity in quantities:
        first, second = np.split(resampled[quantity], 2, axis=1)  # (DRAWS, S)
        yield quantity, "bootstrap", percentiles(first.mean(axis=1))
        yield quantity, "no seeds", ends(estimate_of(alone[0], quantity))
        if quantity in SCORES:
            yield f"lead, {quantity}", "bootstrap", percentiles(first.mean(axis=1) - second.mean(axis=1))
            lead = jackknife_difference(*(model.scored(quantity) for model in alone), of[0].strata)
            yield f"lead, {quantity}", "no seeds", ends(lead)
            yield f"weights, {quantity}", "bootstrap", percentiles(first[:, 0])
    sizes = {"accuracy": sample.n_units} | {f"recall {c}": n for c, n in enumerate(sample.n_class.tolist())}
    values = sample.every_score(of[0].counts)
    for quantity in set(sizes).intersection(quantities):
        for method, interval in (("Wilson", wilson), ("exact", exact)):
            yield quantity, method, interval(float(values[quantity].mean()), sizes[quantity])
            if sample.k == 2 or quantity == "accuracy":
                yield f"weights, {quantity}", method, interval(float(values[quantity][0]), sizes[quantity])


@by_resemblance
def test_screening_and_area(shares: tuple[float, ...]) -> None:
    rng, errors, tally = np.random.default_rng(2), np.array(ERRORS["brain_mri"]), Tally()
    sample = Sample("brain_mri", shares, rng)
    truth, positive = sample.truth(errors), sample.labels == 1
    strata, sizes = unit_classes(sample.labels, sample.groups), sample.n_class[::-1].tolist()
    se, sp = truth["recall 1"], truth["recall 0"]
    prior = 0.5
    for _ in range(SETS):
        margins = sample.margins(rng.normal(size=sample.n_units), errors)
        sides = [score_rate(margins[:, side] >= 0, sample.groups[side]) for side in (positive, ~positive)]
        variances = score_variance(sides[0]), score_variance(sides[1])
        operation = Operation(sides[0].mean(), sides[1].mean(), *sizes, variances)
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
        tally.add("auc", "page", ends(jackknife_estimate(*areas, strata=strata, n=min(sizes))), truth["auc"])
        half = unit_variance(areas.left_out.mean(axis=1), strata).half_width
        tally.add("auc", "DeLong", symmetric(areas, half), truth["auc"])
    assert tally.failures() == []


def softmaxed(sample: Sample, of_seeds: Array, units: Array, strength: float) -> Array:
    """Return probabilities, (S, N, K), of seeds that separate the classes unequally well. units: (K, U) normal."""
    own = np.stack([sample.hardness(of_class, np.zeros((of_seeds.size, 2))) for of_class in units], axis=-1)
    truth = np.eye(sample.k)[sample.labels]
    return np.asarray(special.softmax(2 * own + strength * (1 + 0.05 * of_seeds[:, None, None]) * truth, axis=-1))


AREA_SETTINGS = {
    "copies": ("brain_mri_types", COPIES, 6.0),
    "patients": ("brain_mri_types", PATIENTS, 4.0),
    "digits": ("digits", COPIES, 4.0),
    "digits, few errors": ("digits", COPIES, 8.0),
    "digits, some errors": ("digits", COPIES, 6.0),
}  # units, resemblance, and by how much the winner separates the classes


def test_mean_area_of_several_classes() -> None:
    """Each class against the rest, as on pages without positive classes."""
    rng, tally = np.random.default_rng(8), Tally()
    for setting, (name, shares, strength) in AREA_SETTINGS.items():
        sample, strengths = Sample(name, shares, rng), (strength, 0.85 * strength)
        large = Sample(name, shares, rng, [{size: 100 * n for size, n in of.items()} for of in units_of(name)])
        units = rng.normal(size=(large.k, large.n_units))
        truth, other = (mean_area(large, softmaxed(large, SEED_GRID, units, each)) for each in strengths)
        strata, n = unit_classes(sample.labels, sample.groups), sample.k * int(sample.n_class.min())
        area, lead = f"area | {setting}", f"lead | {setting}"
        for number in range(SETS):
            units = rng.normal(size=(sample.k, sample.n_units))
            others = np.stack([similar(of_class, rng) for of_class in units])
            first, second = (
                mean_areas(sample.labels, softmaxed(sample, rng.normal(size=SEEDS), of, each), sample.groups)
                for of, each in zip((units, others), strengths, strict=True)
            )
            tally.add(area, "page", ends(jackknife_estimate(*first, strata=strata, n=n)), truth)
            tally.add(lead, "page", ends(area_difference(first, second, strata)), truth - other)
            if number % RIVALS:
                continue
            for method, tails in (("no bound", False), ("kurtosis", True)):
                no_bound = jackknife_estimate(*first, strata=strata, n=1e9, heavy_tails=tails)
                tally.add(area, method, ends(no_bound), truth)
            tally.add(area, "no logit", symmetric(first, score_variance(first, strata).half_width), truth)
            half = unit_variance(first.left_out.mean(axis=1), strata).half_width
            tally.add(area, "DeLong", symmetric(first, half), truth)
            tally.add(lead, "no logit", ends(jackknife_difference(first, second, strata)), truth - other)
    assert tally.failures() == []


def mean_area(sample: Sample, p: Array) -> float:
    """Return the mean over classes and seeds. p: (S, N, K)."""
    return float(
        np.mean([areas_under_roc(sample.labels == c, p[..., c], sample.groups).mean() for c in range(sample.k)])
    )


def both_low(errors: Array, others: Array, correlation: float) -> Array:
    """Return the chance that two correlated normals are both below their quantiles, by quadrature over the first."""
    x = special.ndtri(errors * ((np.arange(4_000) + 0.5) / 4_000)[:, None])
    rest = np.sqrt(1 - correlation**2)
    return np.asarray(errors * special.ndtr((special.ndtri(others) - correlation * x) / rest).mean(axis=0))


def macro_f1(confusion: Array) -> Array:
    return np.asarray(class_scores(confusion)["f1"].mean(axis=-1))


CORRUPTIONS = {"hardly": (0.9998, 1.0), "mildly": (0.995, 1.1), "clearly": (0.9, 1.5)}
"""of what makes an image hard with and without the corruption, the correlation; factor on the errors"""


@by_data_set
def test_corruptions(name: str, shares: tuple[float, ...]) -> None:
    """The same units and seeds, clean and corrupted. The score under a corruption is that of `test_scores`."""
    rng, errors, tally = np.random.default_rng(9), np.array(ERRORS[name]), Tally()
    sample, truth = Sample(name, shares, rng), {}
    labels, groups, k = sample.labels, sample.groups, sample.k
    strata, share, score = unit_classes(labels, groups), sample.n_class / sample.n_units, sample.truth(errors)
    for corruption, (correlation, factor) in CORRUPTIONS.items():
        others = factor * errors
        both = both_low(errors, others, correlation)
        truth[corruption] = {
            "changed": share @ (errors + others - 2 * both),
            "lost": share[:2] @ [(errors - both)[0], (others - both)[1]],
            "fall": sample.truth(others)["macro_f1"] - score["macro_f1"],
        }
    for number in range(SETS):
        clean = sample.hardness(rng.normal(size=sample.n_units))
        margins = [clean - special.ndtri(errors)[labels]]
        for correlation, factor in CORRUPTIONS.values():
            fresh = sample.hardness(rng.normal(size=sample.n_units))
            z = correlation * clean + np.sqrt(1 - correlation**2) * fresh
            margins.append(z - special.ndtri(factor * errors)[labels])
        predicted = sample.predicted(np.concatenate(margins))
        before, *runs = np.split(predicted, len(margins))
        reference = confusion_score(labels, before, groups, k, macro_f1)
        with_rivals = number % RIVALS == 0
        if with_rivals:
            drawn = macro_f1(sample.resampled(predicted)).reshape(DRAWS, len(margins), SEEDS).mean(axis=-1)
            bootstrap = percentiles(drawn[:, 1:] - drawn[:, :1])
        for i, (corruption, after) in enumerate(zip(CORRUPTIONS, runs, strict=True)):
            flips = {"changed": before != after}
            if k == 2:
                flips["lost"] = (before == 1) & (after == 0)
            for quantity, flipped in flips.items():
                estimate, of, true = (
                    flipped_share(flipped, labels, groups),
                    f"{quantity} | {corruption}",
                    truth[corruption],
                )
                tally.add(of, "page", ends(estimate), true[quantity])
                for method, interval in (("Wilson", wilson), ("exact", exact)) if with_rivals else ():
                    tally.add(of, method, interval(estimate.value or 0.0, sample.n_units), true[quantity])
            corrupted, fall = confusion_score(labels, after, groups, k, macro_f1), truth[corruption]["fall"]
            of = f"fall | {corruption}"
            tally.add(of, "page", ends(paired_change(corrupted, reference, strata)), fall)
            if with_rivals:
                tally.add(of, "seeds unpaired", ends(jackknife_difference(corrupted, reference, strata)), fall)
                tally.add(of, "bootstrap", bootstrap[i], fall)
    assert tally.failures() == []


RECALLS = {
    "brain_mri": [[0.95, 0.84], [0.97, 0.93]],
    "brain_mri_types": [[0.89, 0.2], [0.74, 0.7], [0.95, 0.87], [0.94, 0.93]],
}  # of each class and source, about those that were published


@by_resemblance
@pytest.mark.parametrize("name", list(RECALLS))
def test_recall_by_source(name: str, shares: tuple[float, ...]) -> None:
    """Also sensitivity and specificity by source, which count the same."""
    rng, tally = np.random.default_rng(10), Tally()
    sample, recalls = Sample(name, shares, rng), np.array(RECALLS[name])
    least, names = special.ndtri(1 - recalls)[sample.labels, sample.sources], sample.sources.astype(str)
    for _ in range(SETS):
        right = sample.hardness(rng.normal(size=sample.n_units)) >= least
        for c in range(sample.k):
            rows = sample.labels == c
            for of in rates_by_source(right[:, rows], sample.groups[rows], names[rows]):
                quantity, truth = f"class {c}, source {of.source}, n = {of.n_units}", recalls[c, int(of.source)]
                tally.add(quantity, "page", ends(of.rate), truth)
                tally.add(quantity, "Wilson", wilson(of.rate.value or 0.0, of.n_units), truth)
                tally.add(quantity, "exact", exact(of.rate.value or 0.0, of.n_units), truth)
    assert tally.failures() == []


class Learning(NamedTuple):
    """Images of features and a constant, (N, F), with classes and weights, from which seeds learn."""

    x: Array
    y: Array
    weights: Array
    rng: np.random.Generator

    def predicted(self, folds: Array, width: int, trained: Sequence[int]) -> Array:
        """Return the classes of the images in the folds `trained`, (N,); each fold by a training on all others.

        A ridge classifier on `width` random features, which stand for the seed.
        """
        out, targets = np.zeros_like(self.y), np.eye(self.y.max() + 1)[self.y] - 1 / (self.y.max() + 1)
        for fold in trained:
            test = folds == fold
            seen = np.maximum(self.x @ self.rng.normal(size=(self.x.shape[1], width)), 0)
            weighted = seen[~test].T * self.weights[~test]
            ridge = np.linalg.solve(weighted @ seen[~test] + np.eye(width), weighted @ targets[~test])
            out[test] = (seen[test] @ ridge).argmax(axis=1)
        return out


def dealt(classes: Array, rng: np.random.Generator) -> Array:
    """Return one of five folds, (N,), over which each class is spread evenly."""
    folds = np.empty_like(classes)
    for c in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == c))
        folds[members] = np.arange(members.size) % 5
    return folds


def fold_scores(confusion: Array) -> dict[str, Array]:
    by_class = class_scores(confusion)
    return {"macro F1": by_class["f1"].mean(axis=-1), "recall": by_class["recall"][..., 0]}


# Folds that divide units, unstable learners: 1.22 of the narrowest. One training per fold, so that the variance of the
# seeds is that of the first fold.
KNOWN_WIDE = {"divided, recall": 1.25}


@pytest.mark.parametrize(
    ("n_units", "k", "size", "widths"),
    [(100, 2, 1, (30, 30)), (116, 2, 3, (8, 3)), (150, 4, 2, (20, 6)), (300, 2, 2, (8, 30)), (300, 2, 2, (30, 8))],
)
def test_folds(n_units: int, k: int, size: int, widths: tuple[int, int]) -> None:
    """Real learners, five folds: a winner trained twice and a baseline trained once, with five seeds in the first fold.

    widths: of winner and baseline; narrow ones differ between seeds. Truth: the mean over data sets of the pooled
    score. Source: units of the first class, of which a third are from elsewhere. Divided: the winner trained once, in
    folds that divide units, as on pages where folds keep copies together but not patients.
    """
    rng, results, by_source, tally = np.random.default_rng(3), [], [], Tally()
    classes = np.arange(n_units) % k
    centres = (2.2 if k == 2 else 2.8) * np.eye(k, 9)
    of_source = (classes == 0) & (np.arange(n_units) % 3 > 0)
    for _ in range(SETS):
        sizes = rng.integers(1, 2 * size, n_units)
        unit = np.repeat(np.arange(n_units), sizes)
        x = centres[classes][unit] + np.sqrt(0.7) * rng.normal(size=(n_units, 9))[unit]
        x += np.sqrt(0.3) * rng.normal(size=x.shape)
        x[:, -1] = 1
        y, folds, divided = classes[unit], dealt(classes, rng)[unit], dealt(classes[unit], rng)
        learning, first = Learning(x, y, 1 / sizes[unit], rng), folds == 0
        winner, baseline = (
            np.stack([learning.predicted(folds, width, range(5) if run < n else [0]) for run in range(SEEDS)])
            for width, n in zip(widths, (2, 1), strict=True)
        )
        cases = {"winner": (winner[:2], folds, winner), "baseline": (baseline[:1], folds, baseline)}
        if size > 1:
            cases["divided"] = learning.predicted(divided, widths[0], range(5))[None], divided, winner
        scored = {}
        for case, (runs, numbers, seeds) in cases.items():
            held_out, sealed = Decisions(runs, y, unit, k), Decisions(seeds[:, first], y[first], unit[first], k)
            scored[case] = score_out_of_fold(held_out, numbers, sealed, fold_scores, {"recall": 0})
        results.append(scored)
        rows = of_source[unit]
        rates = rates_by_source(winner[:2] == 0, unit, np.where(rows, "here", "elsewhere"), folds)
        here = next(of for of in rates if of.source == "here")
        by_source.append((here, score_rate(winner[:2, rows] == 0, unit[rows])))
    keys = [(case, score) for case in results[0] for score in results[0][case]]
    truths = {(case, score): float(np.mean([of[case][score].pooled for of in results])) for case, score in keys}
    recall, quantile = float(np.mean([of.mean() for _, of in by_source])), special.stdtrit(4, 0.975)
    for scored in results:
        quantities = [
            (f"{case}, {score}", scored[case][score].estimate, scored[case][score].by_fold.mean(axis=0), truth)
            for (case, score), truth in truths.items()
        ]
        for score in scored["winner"]:
            leader, other = scored["winner"][score], scored["baseline"][score]
            gap = truths["winner", score] - truths["baseline", score]
            each = leader.by_fold.mean(axis=0) - other.by_fold[0]
            quantities.append((f"lead, {score}", leader.minus(other), each, gap))
        for quantity, page, each, truth in quantities:
            tally.add(quantity, "page", ends(page), truth)
            for method, share in (("Nadeau, Bengio", 1 / 5 + 1 / 4), ("independent folds", 1 / 5)):
                half = quantile * np.sqrt(each.var(ddof=1) * share)
                tally.add(quantity, method, (each.mean() - half, each.mean() + half), truth)
    for here, of in by_source:
        tally.add("source", "page", ends(here.rate), recall)
        tally.add("source", "repeats as seeds", ends(jackknife_estimate(*of)), recall)
        tally.add("source", "Wilson", wilson(of.mean(), here.n_units), recall)
    assert tally.failures(KNOWN_WIDE) == []


def part_of_units(sizes: list[dict[int, int]], share: float, rng: np.random.Generator) -> list[dict[int, int]]:
    """Return a random share of the units of each class, at least one."""
    drawn = []
    for of_class in sizes:
        units = np.repeat(list(of_class), list(of_class.values()))
        kept = rng.choice(units, max(1, round(share * units.size)), replace=False)
        drawn.append(dict(zip(*(x.tolist() for x in np.unique(kept, return_counts=True)), strict=True)))
    return drawn


@by_resemblance
@pytest.mark.parametrize(("name", "share", "classes"), [("brain_mri_types", 0.3, 4), ("brain_mri_types", 0.5, 2)])
def test_subgroups(name: str, share: float, classes: int, shares: tuple[float, ...]) -> None:
    """A part of the test part, in which some classes are rare or do not occur; macro scores average those that do."""
    rng, errors, tally = np.random.default_rng(5), np.array(ERRORS[name]), Tally()
    sample = Sample(name, shares, rng, part_of_units(units_of(name)[:classes], share, rng))
    truth, averages = sample.truth(errors), ["accuracy", "macro_f1"]
    for _ in range(SETS):
        predicted = sample.predicted(sample.margins(rng.normal(size=sample.n_units), errors))
        page = score_sample(sample.labels, predicted, sample.groups, sample.k, only_occurring=True)
        resampled = sample.every_score(sample.resampled(predicted))
        bootstrap = percentiles(np.stack([resampled[of].mean(axis=1) for of in averages], axis=-1))
        for i, quantity in enumerate(averages):
            tally.add(quantity, "page", ends(page.estimate(quantity)), truth[quantity])
            tally.add(quantity, "bootstrap", bootstrap[i], truth[quantity])
        tally.add("accuracy", "Wilson", wilson(float(page.whole["accuracy"].mean()), sample.n_units), truth["accuracy"])
        for c in range(classes):
            quantity, n, value = f"recall {c}", float(sample.n_class[c]), float(page.whole["recall"][:, c].mean())
            tally.add(quantity, "page", ends(page.of_class("recall", c)), truth[quantity])
            tally.add(quantity, "Wilson", wilson(value, n), truth[quantity])
            tally.add(quantity, "exact", exact(value, n), truth[quantity])
    assert tally.failures() == []


N_UNITS = (53, 68)  # of the test part of brain_mri
MANY_UNITS = (20_000, 15_000)  # of an endless one
SHARE, RARE = N_UNITS[1] / sum(N_UNITS), 0.01


AREAS = ("precision", "AUC")
COMPARED = ("Matthews", "Brier", *AREAS)  # of winner and baseline


def measured(world: World, p: Array) -> dict[str, tuple[Scored, float, float]]:
    """Return measures of the page with their range."""
    labels, groups, positive = world.labels, world.groups, world.labels == 1
    called = (p >= 0.5).astype(np.int64)
    cost = np.where(positive, 10 * (1 - called), called)
    return {
        "Matthews": (confusion_score(labels, called, groups, 2, matthews), -1.0, 1.0),
        "Brier": (unit_mean((p - positive) ** 2, labels, groups), 0.0, 1.0),
        "cost": (unit_mean(cost, labels, groups, [1 - RARE, RARE]), 0.0, 1 + 9 * RARE),
        "shifted": (unit_mean(shifted(p, SHARE, RARE), labels, groups, [1 - RARE, RARE]), 0.0, 1.0),
        "precision": (score_precision(positive, p, groups), 0.0, 1.0),
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
        "surplus": mean(p - positive, SHARE),
    }


def true_measures(world: World, p: Array) -> dict[str, float]:
    """Return the measures of an endless sample, mean over seeds."""
    positive = world.labels == 1
    shares = np.where(positive, SHARE, 1 - SHARE) / np.array(MANY_UNITS)[world.labels] * world.weights
    areas = {
        "precision": np.mean([average_precision_score(positive, row, sample_weight=shares) for row in p]),
        "AUC": areas_under_roc(positive, p, world.groups).mean(),
    }
    return {name: float(np.mean(of)) for name, of in (reweighted(world, p, world.weights[None]) | areas).items()}


def test_measures() -> None:
    """Two settings: few hard units, which a sample may lack, and many."""
    rng, tally = np.random.default_rng(1), Tally()
    bootstraps = Bootstraps(N_UNITS, rng)

    def both(world: World, of_seeds: Array, strengths: tuple[float, float]) -> list[Array]:
        units = rng.normal(size=sum(world.n_units))
        hard = units, similar(units, rng)
        return [world.stated(*of) for of in zip(of_seeds, hard, strengths, strict=True)]

    for setting, strengths in {"few": (3.5, 2.5), "many": (2.0, 1.5)}.items():
        large = World(MANY_UNITS, rng)
        p = both(large, np.stack([SEED_GRID, SEED_GRID]), strengths)
        truth, other = (true_measures(large, each) for each in p)
        truth |= {f"lead, {name}": truth[name] - other[name] for name in truth}
        truth["least precision"] = np.mean([average_precision(large.labels == 1, x, large.groups, 1e-3) for x in p[0]])
        for number in range(SETS):
            world = World(N_UNITS, rng)
            p, strata = both(world, rng.normal(size=(2, SEEDS)), strengths), world.strata
            of, with_rivals = [measured(world, each) for each in p], number % RIVALS == 0
            intervals: list[tuple[str, str, Any]] = []
            for name, (scored, lowest, highest) in of[0].items():
                options = {"lowest": lowest, "highest": highest, "heavy_tails": name == "precision"}
                page = recipe_estimate(scored, strata, n=bounding_units(name), **options)
                plain = scaled_difference(scored, of[1][name][0], strata, highest - lowest)
                lead = area_difference(scored, of[1][name][0], strata) if name in AREAS else plain
                intervals.append((name, "page", page))
                intervals += [(f"lead, {name}", "page", lead)] if name in COMPARED else []
                if with_rivals:
                    no_bound = recipe_estimate(scored, strata, n=1e9, lowest=lowest, highest=highest)
                    no_logit = interval_of(scored.mean(), score_variance(scored, strata), strata.size)
                    intervals += [(name, "no bound", no_bound), (name, "no logit", no_logit)]
                    intervals += [(f"lead, {name}", "no logit", plain)] if name in AREAS else []
            surplus = unit_mean(p[0] - world.labels, world.labels, world.groups)
            intervals.append(("surplus", "page", jackknife_estimate(*surplus, strata=strata, bounded=False)))
            bound = least_precision(world.labels == 1, p[0][0], world.groups, 1e-3)
            intervals.append(("least precision", "page", Estimate(None, bound, None)))
            for name, method, estimate in intervals:
                _, lowest, highest = of[0].get(name, (None, 0.0, 1.0))
                tally.add(f"{name} | {setting}", method, ends(estimate), truth[name], highest, lowest)
            if with_rivals:
                draws = bootstraps.draw()[:, world.groups] * world.weights
                first, second = (reweighted(world, each, draws) for each in p)
                for name, drawn in first.items():
                    tally.add(f"{name} | {setting}", "bootstrap", percentiles(drawn.mean(axis=1)), truth[name])
                for name in first.keys() & COMPARED:
                    apart = percentiles(first[name].mean(axis=1) - second[name].mean(axis=1))
                    tally.add(f"lead, {name} | {setting}", "bootstrap", apart, truth[f"lead, {name}"])
    assert tally.failures() == []


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
