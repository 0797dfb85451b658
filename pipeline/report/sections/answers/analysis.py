"""What designed draws and rungs tell: effects on the error at the shortest training, and how longer training agrees."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artifacts.rungs import counted_scores, mean_scores
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.seeds import derive_seed
from pipeline.report.results import Results
from pipeline.report.sections.answers.ranges import space_range
from pipeline.statistics.design import RESOLUTION
from pipeline.statistics.effects import (
    ErrorFactor,
    Later,
    Model,
    effect_of,
    effects,
    fit_model,
    later_effects,
    log_errors,
    rate_curve,
)
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.robust_regression import Array, Curve, bootstrap_weights, quadratic_curve
from pipeline.statistics.rung_agreement import Agreement, Noise, agreement, paired_factor, seed_noise

DESIGN = "design"
CURVE_POINTS = 41


@dataclass(frozen=True)
class Steps:
    """The factor on the error from one rung to the next."""

    first: int
    second: int
    times: float  # steps of the second over those of the first
    effect: ErrorFactor | None  # None: too few configurations
    n: int


@dataclass(frozen=True)
class Ranks:
    """How two trainings of the same configurations agree; of one rung: two seeds."""

    first: int
    second: int
    inside: bool  # in pairs of one family, else of different ones
    agreement: Agreement


@dataclass(frozen=True)
class RateCurve:
    """The error over the learning rate of one family and optimizer."""

    family: str
    optimizer: str
    curve: Curve | None  # of log10 error over log10 lr; None: too few draws
    n: int
    n_failed: int
    shared: bool  # the shape is that of all families and optimizers, for want of draws of its own


@dataclass(frozen=True, eq=False)  # compared by identity: parts of it are cached
class Analysis:
    """A search with rungs. Rows of `trials` and of all arrays: trials that were trained at a rung, by number."""

    search: SearchResult
    n_val: int
    seed: int

    @cached_property
    def trials(self) -> pd.DataFrame:
        numbers = self.search.rungs["number"].unique()
        return self.search.trials[self.search.trials["number"].isin(numbers)].reset_index(drop=True)

    @property
    def rungs(self) -> list[int]:
        return sorted(int(rung) for rung in self.search.rungs["rung"].unique())

    @property
    def top(self) -> int:
        return self.rungs[-1]

    def share(self, rung: int) -> float:
        """Return the share of a configuration's steps."""
        table = self.search.rungs
        return float(table.loc[table["rung"] == rung, "share"].median())

    @property
    def family_key(self) -> str:
        return str((self.search.study.fidelity or {}).get("stratify", "model"))

    @cached_property
    def families(self) -> NDArray[Any]:
        key = self.family_key
        values = self.trials[key] if key in self.trials else pd.Series("all", self.trials.index)
        return values.astype(str).to_numpy(dtype=object)

    @cached_property
    def designed(self) -> NDArray[np.bool_]:
        return (self.trials["drawn"] == DESIGN).to_numpy()

    def scores(self, rung: int) -> Array:
        """Return the mean scores on val at a rung, a failed seed as 0; NaN where not trained or failed."""
        return mean_scores(self.search.rungs, rung).reindex(self.trials["number"]).to_numpy(dtype=float)

    def seed_scores(self, rung: int, repeat: int) -> Array:
        """Return the scores on val of one seed at a rung; NaN where not trained or failed."""
        table = self.search.rungs
        table = table[(table["rung"] == rung) & (table["repeat"] == repeat)]
        return table.set_index("number")["score"].reindex(self.trials["number"]).to_numpy(dtype=float)

    def logs(self, rung: int) -> Array:
        """Return log10 of the errors at a rung, mean over seeds, the score of a failed seed as 0."""
        scores = counted_scores(self.search.rungs[self.search.rungs["rung"] == rung]).droplevel("rung")
        means = {n: log_errors(np.array(each), self.n_val).mean() for n, each in scores.items() if each}
        return np.array([means.get(n, np.nan) for n in self.trials["number"]])

    @cached_property
    def noise(self) -> Noise | None:
        """Variance of log10 error between seeds; None where no configuration has two."""
        table = self.search.rungs.dropna(subset=["score"])
        names = (table["number"].astype(str) + "/" + table["rung"].astype(str)).to_numpy()
        return seed_noise(log_errors(table["score"].to_numpy(dtype=float), self.n_val), names)

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """Parameters that the designed draws vary, but what the families are named by."""
        drawn = self.trials[self.designed]
        names = [name for name in self.search.parameters if name != self.family_key and drawn[name].nunique() > 1]
        objects = drawn[names].astype(object)
        return {name: objects[name].where(objects[name].notna(), None).to_numpy() for name in names}

    @cached_property
    def ranges(self) -> dict[str, Array]:
        """Lowest and highest value of the space, of numbers; (n, 2) where they depend on other parameters."""
        drawn: Any = self.trials[self.designed].to_dict("records")
        keys = dict.fromkeys(entry.key for entry in self.search.study.space)
        ends = {key: space_range(self.search.study.space, key, drawn) for key in keys}
        return {key: of for key, of in ends.items() if of is not None}

    def rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.seed, purpose, self.search.study.experiment))

    @cached_property
    def weights(self) -> Array:
        """Draws of the bootstrap over the designed configurations."""
        return bootstrap_weights(int(self.designed.sum()), self.rng("effects"))

    @cached_property
    def model(self) -> Model | None:
        """The regression of the designed draws at the first rung; None where they are too few."""
        if not self.columns:
            return None
        logs, families = self.logs(self.rungs[0])[self.designed], self.families[self.designed]
        return fit_model(logs, families, self.columns, self.weights, self.ranges)

    @cached_property
    def effects(self) -> dict[tuple[str, str], ErrorFactor]:
        return {(effect.name, effect.per): effect for effect in effects(self.model)} if self.model else {}

    @cached_property
    def later(self) -> tuple[int, dict[tuple[str, str], Later]]:
        """The highest rung with effects of its own, and these by name; rung 0 and an empty mapping without one."""
        families, first = self.families[self.designed], self.logs(self.rungs[0])[self.designed]
        for rung in reversed(self.rungs[1:] if self.model else []):
            second = self.logs(rung)[self.designed]
            assert self.model
            if after := later_effects(self.model, first, second, families, self.weights):
                return rung, {(of.effect.name, of.effect.per): of for of in after}
        return self.rungs[0], {}

    def steps(self) -> Iterator[Steps]:
        """Yield the factor on the error from each rung to the next, luck in the choice removed as far as known."""
        for first, second in pairwise(self.rungs):
            rows = self.designed
            before, after, families = self.logs(first)[rows], self.logs(second)[rows], self.families[rows]
            means = pd.Series(before).groupby(pd.Series(families)).transform("mean").to_numpy()
            is_first = first == self.rungs[0] and self.model is not None
            expected = self.model.expected if is_first and self.model else means
            n = int((np.isfinite(before) & np.isfinite(after)).sum())
            # the noise is that of one training, `before` a mean over seeds
            noise = self.noise and self.noise._replace(variance=self.noise.variance / self.search.study.n_seeds[first])
            factor = paired_factor(before, after, expected, noise)
            effect = None if factor is None else effect_of("steps", "", log_estimate(factor), n, RESOLUTION["steps"])
            yield Steps(first, second, self.share(second) / self.share(first), effect, n)

    def ranks(self) -> Iterator[Ranks]:
        """Yield the agreement between successive rungs, then between the first two seeds of each rung."""
        pairs = [(first, second, self.scores(first), self.scores(second)) for first, second in pairwise(self.rungs)]
        pairs += [(rung, rung, self.seed_scores(rung, 0), self.seed_scores(rung, 1)) for rung in self.rungs]
        for first, second, before, after in pairs:
            for inside in (True, False):
                if of := agreement(before, after, self.families, inside=inside):
                    yield Ranks(first, second, inside, of)

    @cached_property
    def curves(self) -> list[RateCurve]:
        """The error at the first rung over the learning rate, of each family and optimizer with designed draws."""
        if "lr" not in self.columns:
            return []
        drawn, logs = self.trials[self.designed], self.logs(self.rungs[0])[self.designed]
        lr = np.log10(drawn["lr"].to_numpy(dtype=float))
        batch = np.log2(drawn["batch_size"].to_numpy(dtype=float)) if "batch_size" in drawn else np.zeros(lr.size)
        optimizers = drawn["optimizer"].astype(str) if "optimizer" in drawn else pd.Series("", drawn.index)
        families, out = self.families[self.designed], []
        for family, optimizer in sorted({*zip(families, optimizers, strict=True)}):
            members = (families == family) & (optimizers == optimizer).to_numpy()
            rows = np.flatnonzero(members & np.isfinite(logs))
            of_rows = np.broadcast_to(self.ranges.get("lr", 10 ** np.array([lr.min(), lr.max()])), (lr.size, 2))
            ends = np.log10(of_rows[members][0])
            points = np.linspace(ends[0], ends[1], CURVE_POINTS)
            rng = self.rng(f"curve {family} {optimizer}")
            curve = quadratic_curve(lr[rows], logs[rows], points, rng, batch[rows])
            shared = curve is None and self.model is not None
            if shared and self.model:
                levels = {"optimizer": optimizer}
                curve = rate_curve(self.model, family, levels, points, middle=float(np.mean(ends)))
            n_failed = int(members.sum()) - rows.size
            out.append(RateCurve(family, optimizer, curve, rows.size, n_failed, shared))
        return out


def log_estimate(factor: Estimate) -> Estimate:
    """Return log10 of a factor and of its interval."""
    return Estimate(*(float(np.log10(end or 1.0)) for end in (factor.value, factor.low, factor.high)))


@cache
def analyse(results: Results) -> Analysis | None:
    """Return the analysis; None for a search without rungs."""
    if not results.search.study.fidelity or results.search.rungs["score"].notna().sum() == 0:
        return None
    return Analysis(results.search, results.evaluation.dataset.parts["val"].groups, results.settings.seed)
