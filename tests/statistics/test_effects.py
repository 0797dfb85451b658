"""Effects of hyperparameters: hand-worked cases, and how often their intervals hold the truth."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau, qmc, spearmanr

from pipeline.statistics.effects import (
    ErrorFactor,
    effect_of,
    effects,
    fit_model,
    later_effects,
    log_errors,
    needed,
    rate_curve,
    retuned,
)
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.robust_regression import bootstrap_weights, fit, quadratic_curve
from pipeline.statistics.rung_agreement import Noise, agreement, paired_factor, seed_noise

Array = NDArray[np.float64]
ONE = np.array(["cnn"] * 16)
RANGES = {"lr": (1e-4, 1e-1), "batch_size": (16.0, 256.0)}


def test_an_error_is_at_least_half_of_one_image() -> None:
    np.testing.assert_allclose(10 ** log_errors(np.array([0.9, 1.0, np.nan]), 50), [0.1, 0.01, np.nan])


def test_a_line_is_found_and_an_outlier_does_not_move_it() -> None:
    x = np.column_stack([np.ones(20), np.arange(20.0)])
    y = x @ [1.0, 0.5] + 0.01 * np.cos(np.arange(20) * 2.0)
    weights = bootstrap_weights(20, np.random.default_rng(0))
    clean = fit(x, y, weights).coefficients
    y[19] += 100
    robust = fit(x, y, weights)
    np.testing.assert_allclose(robust.coefficients, clean, atol=0.01)
    assert abs(np.linalg.lstsq(x, y, rcond=None)[0][1] - 0.5) > 1
    slope = robust.of(np.array([0.0, 1.0]))
    assert slope.low is not None and slope.high is not None  # noqa: PT018, two ends of one interval
    assert slope.low < 0.5 < slope.high < 0.6
    with pytest.raises(ValueError, match="independent"):
        fit(np.column_stack([x, x[:, 1]]), y, weights)


def test_planted_factors_come_back_exactly() -> None:
    """Without noise: error x 2 per decade of lr in the middle of its range, x 1.5 per doubling, x 0.8 for the flip."""
    rng = np.random.default_rng(0)
    lr, batch, flip = 10 ** rng.uniform(-4, -1, 48), 2.0 ** rng.integers(4, 9, 48), rng.random(48) < 0.5
    z, v = np.log10(lr) + 2.5, np.log2(batch) - 6
    logs = np.log10(2) * z + np.log10(1.5) * v + np.log10(0.8) * flip + 0.1 * z**2 - 0.02 * z * v - 1
    families = np.array(["cnn", "mlp"] * 24)
    logs = logs + 0.3 * (families == "mlp")
    logs[3] = np.nan
    columns = {"lr": lr, "batch_size": batch, "flip": flip.astype(object)}
    model = fit_model(logs, families, columns, bootstrap_weights(48, rng), RANGES)
    assert model is not None
    shown = {effect.name: effect for effect in effects(model)}
    sign = 0.8 if shown["flip"].per.startswith("True") else 1 / 0.8
    for name, factor in (("lr", 2.0), ("batch_size", 1.5), ("flip", sign)):
        assert shown[name].factor is not None
        assert shown[name].factor.value == pytest.approx(factor, rel=1e-6)
        assert (shown[name].n, shown[name].more) == (47, 0)
    points = shown["lr"].points(0.1)
    assert points is not None
    assert points.value == pytest.approx(-0.1)
    places = np.linspace(-4, -1, 7)
    curve = rate_curve(model, "mlp", {"flip": "True"}, places, -2.5)
    assert curve is not None
    expected = -0.7 + np.log10(0.8) + np.log10(2) * (places + 2.5) + 0.1 * (places + 2.5) ** 2
    np.testing.assert_allclose(curve.values, expected, atol=1e-6)
    assert rate_curve(model, "lenet", {}, places, -2.5) is None
    best = retuned(model, np.array([-2.0, 2.0]))
    assert best is not None
    lowest = z[np.isfinite(logs)].min(), -5 * (np.log10(2) - 0.04)  # the edge of the draws; the vertex of the parabola
    assert [place.value for place in best.places] == pytest.approx(lowest, abs=0.025)
    errors = [at * np.log10(2) + 0.1 * at**2 - 0.02 * at * v for at, v in zip(lowest, (-2, 2), strict=True)]
    truth = 4 * np.log10(1.5) + errors[1] - errors[0]
    assert best.last_over_first.value == pytest.approx(truth, abs=1e-4)
    assert best.logs[1].value - best.logs[0].value == pytest.approx(truth, abs=1e-4)
    without = fit_model(logs, families, {"lr": lr, "flip": columns["flip"]}, bootstrap_weights(48, rng), RANGES)
    assert without is not None
    assert retuned(without, np.array([-2.0, 2.0])) is None
    later = later_effects(model, logs, logs - 0.5, families, bootstrap_weights(48, rng))
    assert {of.effect.name for of in later} >= {"lr", "batch_size"}
    assert all(of.ratio.factor and of.ratio.factor.value == pytest.approx(1) for of in later)


@pytest.mark.parametrize(
    ("estimate", "factor", "more"),
    [
        ((0.2, 0.1, 0.3), 10**0.2, 0),  # excludes 1
        ((0.01, -0.02, 0.04), 10**0.01, 0),  # no effect that matters
        ((0.1, -0.1, 0.3), None, 60),  # half width 0.2, to become 0.1: 4 times 20
        ((0.0, -0.2, 0.2), None, 88),  # to become log10(1.2) = 0.0792: 6.38 times 20, minus 20
    ],
)
def test_an_effect_is_refused_with_what_it_lacks(
    estimate: tuple[float, float, float], factor: float | None, more: int
) -> None:
    effect = effect_of("x", "doubled", Estimate(*estimate), 20, 1.2)
    assert (effect.factor.value if effect.factor else None) == (pytest.approx(factor) if factor else None)
    assert effect.more == (pytest.approx(more, abs=20) if more else 0)
    assert effect.interval == (10 ** estimate[1], 10 ** estimate[2])


def test_few_configurations_have_no_model() -> None:
    rng = np.random.default_rng(0)
    lr = 10 ** rng.uniform(-4, -1, 6)
    families = np.array(["a", "b"] * 3)
    assert fit_model(rng.normal(size=6), families, {"lr": lr}, bootstrap_weights(6, rng)) is None
    assert needed(families, 6) == 12
    assert fit_model(rng.normal(size=16), ONE, {"lr": np.full(16, 0.1)}, bootstrap_weights(16, rng)) is None


def test_parameters_beyond_a_third_of_the_configurations_are_dropped_by_name() -> None:
    rng = np.random.default_rng(0)
    columns: dict[str, NDArray[Any]] = {name: rng.uniform(1, 2, 16) for name in ("lr", "a", "b", "c", "d")}
    columns["cnn.width"] = np.where(rng.random(16) < 0.5, np.nan, rng.uniform(8, 64, 16))
    model = fit_model(rng.normal(size=16), ONE, columns, bootstrap_weights(16, rng))
    assert model is not None
    assert [term.name for term in model.terms] == ["lr", "lr squared", "a", "b"]
    assert model.dropped == ["c", "d", "cnn.width"]


def test_pairs() -> None:
    """Errors shrink to 0.5, 0.4, 0.6 and 0.5 of what they were."""
    factors = np.array([0.5, 0.4, 0.6, 0.5, np.nan])
    factor = paired_factor(np.zeros(5), np.log10(factors))
    assert factor is not None
    assert factor.value == pytest.approx((0.5 * 0.4 * 0.6 * 0.5) ** 0.25)
    sd = np.log10(factors[:4]).std(ddof=1)
    assert factor.high == pytest.approx(factor.value * 10 ** (3.182446 * sd / 2))
    assert paired_factor(np.zeros(3), np.ones(3)) is None


def test_noise_between_seeds_and_luck() -> None:
    assert seed_noise(np.array([1.0, 3.0, 5.0, 5.0]), np.array(["a", "a", "b", "b"])) == (1.0, 2)
    assert seed_noise(np.array([1.0, 2.0]), np.array(["a", "b"])) is None
    first = np.array([-1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0])  # variance 8/7, half of it noise
    second = np.where(first < 0, -1.5, np.nan)
    factor = paired_factor(first, second, np.zeros(8), Noise(4 / 7, 8))
    assert factor is not None
    assert factor.value == pytest.approx(0.1)  # from -0.5 to -1.5
    assert factor.high == pytest.approx(10 ** (-1 + 2.306004 * 0.25))  # luck is known to 50 %: sqrt(2 / 8)
    assert paired_factor(first, second, np.zeros(8)) == paired_factor(first, second)


def test_ranks_of_one_family_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=16).round(1)
    second = (first + rng.normal(size=16)).round(1)
    ranks = agreement(first, second, ONE, inside=True)
    assert ranks is not None
    assert ranks.tau.value == pytest.approx(kendalltau(first, second).statistic)
    assert ranks.rho.value == pytest.approx(spearmanr(first, second).statistic)
    assert (ranks.n, ranks.n_pairs) == (16, 120)
    assert agreement(first, second, ONE, inside=False) is None


def test_ranks_inside_and_between_families_by_hand() -> None:
    """Two families of three; inside both are reversed, between them the order is kept."""
    families = np.array(["a"] * 3 + ["b"] * 3)
    first, second = np.array([1.0, 2, 3, 11, 12, 13]), np.array([3.0, 2, 1, 13, 12, 11])
    inside = agreement(first, second, families, inside=True)
    between = agreement(first, second, families, inside=False)
    assert inside is not None and between is not None  # noqa: PT018
    assert (inside.tau.value, inside.n_pairs) == (-1, 6)
    assert (between.tau.value, between.n_pairs) == (1, 9)


def test_a_curve_finds_its_lowest_place() -> None:
    x = np.linspace(-4, -1, 20)
    y = 0.2 * (x + 2.5) ** 2 + 0.01 * np.cos(9 * x)
    curve = quadratic_curve(x, y, np.linspace(-4, -1, 61), np.random.default_rng(0))
    assert curve is not None
    assert curve.lowest.value == pytest.approx(-2.5, abs=0.06)
    assert (curve.low <= curve.values).all() and (curve.values <= curve.high).all()  # noqa: PT018
    assert quadratic_curve(x[:7], y[:7], x, np.random.default_rng(0)) is None
    assert quadratic_curve(np.repeat([1.0, 2.0], 8), np.arange(16.0), x, np.random.default_rng(0)) is None


FAMILIES = np.array(["cnn", "lenet", "mlp"])
TRUTH = {"lr": -0.15, "batch_size": 0.1, "optimizer": 0.06}
RETUNED = 4 * TRUTH["batch_size"] - (0.25**2 - 0.05**2) / 0.8  # batch 256 instead of 16, each at its own best lr
LATER = {"lr": -0.2, "batch_size": 0.08, "optimizer": 0.06}
NOISE, OTHERS = 0.08, 0.08  # SD of log10 error: between seeds, and from what the regression does not know


class Search:
    """Designed draws of three families, trained at two rungs, the best of each family at the second."""

    def __init__(self, rng: np.random.Generator, n: int, best: int, uneven: float = 0.0) -> None:
        u = qmc.Sobol(3, seed=rng).random(64)[:n]
        family, z, batch = np.arange(n) % 3, 3 * u[:, 0] - 1.5, np.floor(4 + 5 * u[:, 1])
        is_sgd, v = u[:, 2] > 0.5, batch - 6

        def noise() -> Array:
            """Return heavy tails: a t distribution with three degrees of freedom, SD 1."""
            return np.asarray(rng.standard_t(3, n) / np.sqrt(3) * (1 + uneven * np.abs(z)))

        def truth(effect: dict[str, float], rest: float) -> Array:
            lines = effect["lr"] * z + effect["batch_size"] * v + effect["optimizer"] * is_sgd
            return np.array([-1.0, -0.8, -0.6])[family] + rest + 0.2 * z**2 - 0.05 * z * v + lines

        whole = truth(TRUTH, 0.0), truth(LATER, -0.3)
        own = OTHERS * noise()
        self.families = FAMILIES[family]
        self.first, self.every = (of + own + NOISE * noise() for of in whole)
        self.first[rng.random(n) < np.where(z > 1.2, 0.4, 0.0)] = np.nan  # diverged
        self.second, self.repeat = np.full(n, np.nan), np.full(n, np.nan)
        for k in range(3):
            members = np.flatnonzero((family == k) & np.isfinite(self.first))
            chosen = members[np.argsort(self.first[members])[:best]]
            self.second[chosen] = self.every[chosen]
            self.repeat[chosen] = (whole[1] + own + NOISE * noise())[chosen]
        self.step = float((whole[1] - whole[0])[np.isfinite(self.second)].mean())
        optimizer = np.where(is_sgd, "sgd", "adamw").astype(object)
        self.columns = {"lr": 10 ** (z - 2.5), "batch_size": 2**batch, "optimizer": optimizer}


def log_ends(of: ErrorFactor | Estimate | None) -> tuple[float, float]:
    assert of is not None
    low, high = (of.interval or (0, 0)) if isinstance(of, ErrorFactor) else (of.low, of.high)
    return float(np.log10(low or 0)), float(np.log10(high or 0))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("n", "best", "uneven"), [(32, 4, 0.0), (32, 4, 0.7), (64, 7, 0.0)])
def test_intervals_hold_the_truth(n: int, best: int, uneven: float) -> None:
    rng = np.random.default_rng(1)
    rows: defaultdict[str, list[tuple[bool, float]]] = defaultdict(list)

    def add(name: str, ends: tuple[float, float], truth: float) -> None:
        rows[name].append((ends[0] <= truth <= ends[1], (ends[1] - ends[0]) / 2))

    for _ in range(500):
        search = Search(rng, n, best, uneven)
        weights = bootstrap_weights(n, rng)
        model = fit_model(search.first, search.families, search.columns, weights, RANGES)
        assert model is not None
        for effect in effects(model):
            add(effect.name, log_ends(effect), TRUTH[effect.name] * (-1 if effect.per.startswith("adamw") else 1))
        curve = retuned(model, np.array([-2.0, 2.0]))
        assert curve is not None
        ends = curve.last_over_first
        add("batch_size, re-tuned", (ends.low or 0.0, ends.high or 0.0), RETUNED)
        for later in later_effects(model, search.first, search.second, search.families, weights):
            name, sign = later.effect.name, -1 if later.effect.per.startswith("adamw") else 1
            add(f"later {name}", log_ends(later.effect), sign * LATER[name])
            add(f"ratio {name}", log_ends(later.ratio), sign * (LATER[name] - TRUTH[name]))
        rung = np.flatnonzero(np.isfinite(search.second))
        noise = seed_noise(np.r_[search.second[rung], search.repeat[rung]], np.r_[rung, rung])
        factor = paired_factor(search.first, search.second, model.expected, noise)
        add("pairs", log_ends(factor), search.step)
        add("pairs, flattered", log_ends(paired_factor(search.first, search.second)), search.step)
    results = {name: np.mean(of, axis=0) for name, of in rows.items()}
    for name, (cover, half) in results.items():
        print(f"n={n} uneven={uneven} {name:20s} {100 * cover:5.1f} % factor {10**half:.3f}")
    for name in ("lr", "batch_size", "optimizer", "pairs"):
        assert 0.93 <= results[name][0] <= 0.985, name
    for name in results:
        assert results[name][0] >= 0.92 or name == "pairs, flattered", name
    for name, widest in (("lr", 1.45), ("batch_size", 1.2), ("pairs", 1.3)):
        assert 10 ** results[name][1] <= widest, name


@pytest.mark.slow
def test_intervals_of_ranks_hold_the_truth() -> None:
    """Configurations at random; the truth by many of them."""

    def pair(rng: np.random.Generator, n: int) -> tuple[Array, Array, NDArray[Any]]:
        family = rng.integers(0, 3, n)
        own = rng.normal(size=n) + 0.8 * family
        return own + 0.5 * rng.normal(size=n), own + 0.5 * rng.normal(size=n), FAMILIES[family]

    rng = np.random.default_rng(2)
    for inside in (True, False):
        many = [agreement(*pair(rng, 600), inside=inside) for _ in range(10)]
        truths = [np.mean([getattr(of, name).value for of in many]) for name in ("tau", "rho")]
        hits = []
        for _ in range(500):
            ranks = agreement(*pair(rng, 24), inside=inside)
            assert ranks is not None
            hits.append([e.low <= t <= e.high for e, t in zip((ranks.tau, ranks.rho), truths, strict=True)])
        cover = np.mean(hits, axis=0)
        print(f"inside={inside} tau {100 * cover[0]:.1f} rho {100 * cover[1]:.1f}")
        assert (cover >= 0.93).all()
