"""Simulated data sets with known scores, for the tests of how often an interval holds the true value.

The units are those of real test parts. Images of a unit share their fate (copies) or resemble each other (patients).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pipeline.report.analysis.scoring import SampleScores
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.jackknife import Scored
from pipeline.statistics.scores import SCORES, class_scores, scores
from pipeline.statistics.units import unit_weights

Array = NDArray[Any]
LEAST, WIDEST = 0.935, 1.2  # coverage; times the narrowest method that covers
SETS, SEEDS, DRAWS = 2_000, 5, 200
RIVALS = 4  # every fourth data set: the other methods, which take longer than the page, need no more for their width
POOL = 20  # bootstraps that the data sets of a test share: drawing them takes longer than scoring them

# images per unit: number of such units, per class and source (Br35H or Cheng first, then elsewhere), in the test part
SOURCES: dict[str, list[list[dict[int, int]]]] = {
    "brain_mri": [
        [
            {2: 7, 3: 2, 4: 1, 5: 1, 7: 1, 9: 1, 10: 1, 11: 1, 13: 1, 18: 1, 23: 1, 24: 1, 28: 1, 36: 1, 53: 1},
            {1: 18, 2: 10, 3: 3},
        ],
        [
            {2: 3, 4: 1, 5: 1, 6: 2, 8: 1, 9: 1, 10: 1, 13: 2, 18: 1, 23: 1},
            {1: 27, 2: 7, 3: 5, 5: 2, 6: 2, 8: 1, 9: 2, 12: 2, 14: 1, 15: 1, 17: 1, 18: 1, 28: 1, 36: 1},
        ],
    ],
    "brain_mri_types": [
        [{1: 1, 2: 1, 3: 1, 4: 1, 6: 3, 8: 1, 16: 1, 17: 1, 23: 1, 28: 1}, {1: 8, 2: 1, 3: 1}],
        [{1: 3, 2: 2, 3: 1, 5: 1, 6: 2, 7: 1, 8: 1, 13: 1, 16: 1, 19: 1, 21: 1}, {1: 7, 2: 8, 4: 1}],
        [{8: 1, 9: 1, 11: 1, 14: 2, 16: 1, 17: 1, 20: 1}, {1: 1, 2: 1, 3: 2, 4: 1, 7: 1}],
        [{1: 7, 2: 2, 3: 1, 4: 1, 8: 1}, {1: 27, 2: 9, 4: 1}],
    ],
    "digits": [[{1: 27}]] * 9 + [[{1: 26}]],
}  # fmt: skip
ERRORS = {"brain_mri": [0.18, 0.09], "brain_mri_types": [0.2, 0.15, 0.08, 0.1], "digits": [0.012] * 10}
# share of the variance of what makes an image wrong: unit, image, unit and seed, image and seed
COPIES, PATIENTS = (0.72, 0.0, 0.25, 0.0), (0.45, 0.25, 0.12, 0.15)
SEED, SHIFT = 0.01, 0.01  # variance of a seed, on all classes and on the threshold


def units_of(name: str) -> list[dict[int, int]]:
    """Return images per unit: number of such units, per class."""
    return [dict(sum(map(Counter, by_source), Counter())) for by_source in SOURCES[name]]


class Bootstraps:
    """How often a bootstrap over units within classes draws each unit. n_class: units of each class, in their order."""

    def __init__(self, n_class: Sequence[int] | Array, rng: np.random.Generator) -> None:
        self.n_class, self.rng = n_class, rng
        self.pool: list[Array] = []

    def draw(self) -> Array:
        """Return one of POOL arrays of (DRAWS, units)."""
        if len(self.pool) == POOL:
            return self.pool[self.rng.integers(POOL)]
        drawn = [self.rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in self.n_class if n]
        self.pool.append(np.concatenate(drawn, axis=1).astype(np.float32))
        return self.pool[-1]


class Sample:
    """Labels and groups of a test part; draws predictions of recipes whose error rates per class are known."""

    def __init__(
        self,
        name: str,
        shares: tuple[float, ...],
        rng: np.random.Generator,
        units: list[dict[int, int]] | None = None,
    ) -> None:
        by_source = SOURCES[name] if units is None else [[of_class] for of_class in units]
        rows = [
            (c, source, size)
            for c, of_class in enumerate(by_source)
            for source, sizes in enumerate(of_class)
            for size, n in sizes.items()
            for _ in range(n)
        ]
        classes, sources, sizes = np.array(rows).T
        self.k, self.n_units, self.shares, self.rng = len(SOURCES[name]), len(rows), shares, rng
        self.groups = np.repeat(np.arange(self.n_units), sizes)
        self.labels, self.sources = classes[self.groups], sources[self.groups]
        self.n_class = np.bincount(classes, minlength=self.k)
        self.total = sum(shares) + SEED + (SHIFT if self.k == 2 else 0)
        self.weights = unit_weights(self.labels, self.groups)
        self.bootstraps = Bootstraps(self.n_class, rng)

    def hardness(self, units: Array, of_seeds: Array | None = None) -> Array:
        """Return (S, N), each normal, low where a seed errs easily. units: (U,) normal, what makes a unit hard.

        of_seeds: (S, 2) normal, what makes a seed good on all classes, and on one of two.
        """
        draw, n = self.rng.normal, self.labels.size
        of_seeds = draw(size=(SEEDS, 2)) if of_seeds is None else of_seeds
        unit, image, unit_seed, image_seed = np.sqrt(self.shares)
        z = (unit * units + unit_seed * draw(size=(len(of_seeds), self.n_units)))[:, self.groups]
        if image:
            z = z + image * draw(size=n) + image_seed * draw(size=(len(of_seeds), n))
        z = z + np.sqrt(SEED) * of_seeds[:, :1]
        if self.k == 2:
            z = z + np.sqrt(SHIFT) * of_seeds[:, 1:] * np.where(self.labels, 1, -1)
        return np.asarray(z / np.sqrt(self.total))

    def margins(self, units: Array, errors: Array, of_seeds: Array | None = None) -> Array:
        """Return (S, N), negative where a seed is wrong, which it is at the rates `errors` of the classes."""
        return self.hardness(units, of_seeds) - special.ndtri(errors)[self.labels]

    def predicted(self, margins: Array) -> Array:
        """Return (S, N): a wrong image is taken for the next class, or one at random, by all seeds for the same."""
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
        wrong = special.ndtr((special.ndtri(errors) - shift) / rest)
        counts = (np.diag(1 - wrong) + spread * wrong[:, None]) * self.n_class[:, None]
        area = {}
        if self.k == 2:
            area["auc"] = special.ndtr((shift - special.ndtri(errors)).sum() / (rest * np.sqrt(2)))
        return self.every_score(counts) | area

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

    def every_score(self, counts: Array) -> dict[str, Array]:
        """Return the scores of confusion matrices, (...) each, also by class as in "recall 1"."""
        by_class, macro = class_scores(counts), scores(counts)
        if (self.n_class == 0).any():
            macro |= {f"macro_{of}": x[..., self.n_class > 0].mean(axis=-1) for of, x in by_class.items()}
        classes = {f"{of} {c}": by_class[of][..., c] for of in ("precision", "recall", "f1") for c in range(self.k)}
        return macro | classes

    def resampled(self, predicted: Array) -> Array:
        """Return the competitor: confusion matrices of a bootstrap, (DRAWS, runs, K, K)."""
        k, lead = self.k, len(predicted)
        cell = (np.arange(lead)[:, None] * k + self.labels) * k + predicted
        place = self.groups * (lead * k * k) + cell
        each = np.bincount(place.ravel(), np.tile(self.weights, lead), self.n_units * lead * k * k)
        counts = self.bootstraps.draw() @ each.astype(np.float32).reshape(self.n_units, -1)
        return np.asarray(counts.reshape(DRAWS, lead, k, k))


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


SEED_GRID = special.ndtri((np.arange(15) + 0.5) / 15)  # of seeds, whose mean is the truth


def similar(units: Array, rng: np.random.Generator) -> Array:
    """Return what makes units hard for another recipe, (U,) normal."""
    return np.asarray(0.7 * units + np.sqrt(0.51) * rng.normal(size=units.size))


def averaged(of: SampleScores) -> SampleScores:
    """Return the scores as if their mean over seeds were that of one, so that the variance between seeds is missing."""
    whole = {name: values.mean(axis=0, keepdims=True) for name, values in of.whole.items()}
    left_out = {name: values.mean(axis=1, keepdims=True) for name, values in of.left_out.items()}
    return SampleScores(of.counts, whole, left_out, of.strata)


def estimate_of(of: SampleScores, quantity: str) -> Estimate:
    """Return the estimate of the page. quantity: one of SCORES, or a score of a class as in "recall 1"."""
    if quantity in SCORES:
        return of.estimate(quantity)
    kind, c = quantity.split()
    return of.of_class(kind, int(c))


def ends(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate.low, estimate.high


def wilson(p: float, n: float) -> tuple[float, float]:
    z = 1.959964
    spread = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (p + z**2 / (2 * n) - spread) / (1 + z**2 / n), (p + z**2 / (2 * n) + spread) / (1 + z**2 / n)


def exact(p: float, n: float) -> tuple[float, float]:
    x = min(p, 1.0) * n
    low = 0.0 if x == 0 else float(special.betaincinv(x, n - x + 1, 0.025))
    return low, 1.0 if x == n else float(special.betaincinv(x + 1, n - x, 0.975))


def percentiles(draws: Array) -> Array:
    """Return the ends of the 95 % interval of each column, (..., 2). draws: (DRAWS, ...)."""
    return np.moveaxis(np.quantile(draws, [0.025, 0.975], axis=0), 0, -1)


def symmetric(of: Scored, half_width: float) -> tuple[float, float]:
    return of.mean() - half_width, of.mean() + half_width


class Tally:
    """Coverage and mean width of methods by quantity; the method `page` is that of the reports."""

    def __init__(self) -> None:
        self.rows: defaultdict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)

    def add(
        self,
        quantity: str,
        method: str,
        ends: Sequence[float | None] | Array,
        truth: float,
        top: float = 1.0,
        bottom: float = 0.0,
    ) -> None:
        low, high = (bottom if ends[0] is None else ends[0]), (top if ends[1] is None else ends[1])
        self.rows[quantity, method].append((low <= truth <= high, high - low))

    def failures(self, known: Mapping[str, float] = MappingProxyType({})) -> list[str]:
        """Print the table; return the quantities whose interval is too short or too wide.

        A method competes if it covers in every setting of the test: "quantity | setting". known: quantity -> ratio
        allowed to one that is known to be wider than WIDEST.
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
            if not (methods["page"][0] >= LEAST and ratio <= known.get(quantity, WIDEST)):
                bad.append(f"{quantity}: {methods['page']}, ratio {ratio:.2f}")
        return bad
