"""What the truth table shows, compared with the targets: as JSON, as Markdown tables and as a picture."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.measurement import Row
from benchmarks.search_proof.intervals import N_DRAWS, Widths, half_widths
from benchmarks.search_proof.ranks import Difference, Ranking, differences, rankings
from benchmarks.search_proof.regret import HALVING, RANDOM, SEARCHES, Race, Regret, one_seed, regret
from benchmarks.search_proof.replay import TOP, halving
from benchmarks.search_proof.table import FULL, TruthTable
from pipeline.core.markdown import table as markdown_table
from pipeline.core.seeds import derive_seed
from pipeline.report.drawing import BLUE, GREEN, GREY, ORANGE, canvas, styled
from pipeline.statistics.design import RESOLUTION
from pipeline.statistics.intervals import Estimate

TAU, OF_SECOND_SEED, SECONDS = 0.6, 0.8, 1 / 3
REGRET_POINTS = {"cifar10": 1.0}  # by data set; others:
DEFAULT_REGRET_POINTS = 0.25
REPLAYS, DRAWS = 99, 1000
COLORS = dict(zip(SEARCHES, (BLUE, GREEN, ORANGE, GREY), strict=True))
CURVE_POINTS = 200


@dataclass(frozen=True)
class Findings:
    """All results on one table."""

    table: TruthTable
    rankings: list[Ranking]
    differences: list[Difference]
    regrets: list[Regret]
    widths: Widths
    race: Race

    @classmethod
    def of(cls, table: TruthTable, replays: int = REPLAYS, draws: int = DRAWS) -> "Findings":
        """Analyse a table. replays: of each search; draws: of the bootstrap."""
        rng = np.random.default_rng(derive_seed(table.experiment.seed, "proof", "analysis"))
        regrets = [regret(table, "as in the file", halving, top=top, draws=draws, rng=rng) for top in (TOP, 1)]
        for schedule in ("whole", "prefix"):
            policy = one_seed(table.experiment, schedule)
            regrets.append(regret(table, f"{schedule}, one seed per rung", policy, draws=draws, rng=rng))
        race = Race.of(table, replays, rng)
        return cls(table, rankings(table), differences(table), regrets, half_widths(table, rng), race)

    def rows(self) -> Iterator[Row]:
        """Yield each target with what was measured."""
        lowest, name = self.rankings[0], self.table.experiment.dataset
        share = _fraction(lowest.share)
        for text, of, target in (
            ("τ inside families", lowest.inside, TAU),
            ("the same over τ of a second seed", lowest.of_second_seed, OF_SECOND_SEED),
        ):
            value = of.value if of.value is not None else 0.0
            yield Row(f"{text}, at {share} of the steps", value, 1, "", "at least", target)
        whole = self.regrets[0]
        end = whole.end if whole.end is not None else whole.points
        points = REGRET_POINTS.get(name, DEFAULT_REGRET_POINTS)
        yield Row(f"regret of the search, best of its top {TOP}, 95 % end", end, 1, "points", "at most", points)
        for effect, target in RESOLUTION.items():
            per_seed = self.widths.get(effect, [])
            width = float(np.median(per_seed)) if per_seed else 0.0
            text = f"half width of the interval of {effect}, {min(N_DRAWS, self.table.n)} draws"
            yield Row(text, width, 1, "factor", "at most", target, is_valid=bool(per_seed))
        ours, reference = np.median(self.race.to_target(HALVING)), np.median(self.race.seconds(RANDOM))
        is_reached = bool(np.isfinite(ours))
        seconds = float(ours) if is_reached else float(np.median(self.race.seconds(HALVING)))
        text = f"seconds to the final score of random search in full{'' if is_reached else ': never'}"
        yield Row(text, seconds, float(reference), "s", "at most", SECONDS, is_valid=is_reached)

    def record(self) -> dict[str, Any]:
        """Return what reports/search_proof_<name>.json holds; null: never, or too few configurations."""
        return {
            "n_configurations": self.table.n,
            "n_seeds": self.table.n_seeds,
            "seconds": float(self.table.rows["seconds"].sum()),
            "targets": [row.record() for row in self.rows()],
            "rankings": [asdict(each) for each in self.rankings],
            "differences": [asdict(each) for each in self.differences],
            "regrets": [asdict(each) for each in self.regrets],
            "half_widths": self.widths,
            "race": [dict(zip(_RACE, row, strict=True)) for row in self._race()],
        }

    def markdown(self) -> str:
        """Return the tables."""
        targets = [
            [row.name, f"{row.ratio:.3g}", f"{row.aim} {row.target:.3g}", "met" if row.met else "missed"]
            for row in self.rows()
        ]
        ranks = [
            [_kind(of.kind, of.share), *map(_estimate, (of.inside, of.between, of.of_second_seed))]
            for of in self.rankings
        ]
        gaps = [
            [f"{_kind(of.first, of.share)} − {of.second}", _estimate(of.inside), _estimate(of.between)]
            for of in self.differences
        ]
        losses = [[of.search, of.top, _number(of.points), _number(of.end), _number(of.seconds)] for of in self.regrets]
        race = [[row[0], *map(_number, row[1:])] for row in self._race()]
        tables: dict[str, tuple[list[str], list[list[Any]]]] = {
            "Targets": (["target", "measured", "required", ""], targets),
            "Kendall's τ with full training under other seeds [95 %]": (
                ["training", "inside families", "between", "inside, over that of a second seed"], ranks,
            ),
            "Differences of τ [95 %]": (["trainings", "inside families", "between"], gaps),
            "Regret, points": (["search", "top", "mean", "95 % end", "seconds over all in full"], losses),
            f"{len(self.race.seeds)} replays": (_RACE, race),
        }  # fmt: skip
        head = f"{self.table.experiment.name}: {self.table.n} configurations, {self.table.n_seeds} seeds"
        return "\n\n".join([head, *(f"{title}\n\n{markdown_table(*of)}" for title, of in tables.items())])

    @styled
    def picture(self) -> Figure:
        """Draw the regret of each search over its seconds: median of the replays, and the middle half of them."""
        race, last = self.race, max(float(self.race.seconds(name).max()) for name in SEARCHES)
        first = min(float(replay.seconds[0]) for replays in race.replays.values() for replay in replays)
        at = np.geomspace(first, last, CURVE_POINTS)
        figure, axes = canvas(3.6)
        axis = axes[0, 0]
        for name in SEARCHES:
            low, middle, high = np.quantile(
                race.regrets(name, at.tolist()), [0.25, 0.5, 0.75], axis=0, method="nearest"
            )
            axis.step(at, middle, where="post", color=COLORS[name], label=name)
            axis.fill_between(at, low, high, step="post", color=COLORS[name], alpha=0.15, lw=0)
        worst = 100 * (self.table.truth.max() - np.median(self.table.truth))
        name, n = self.table.experiment.name, self.table.n
        axis.set(
            xscale="log", ylim=(0, worst), xlabel="seconds of training, one worker", ylabel="regret, points",
            title=f"{name}: {n} configurations, {len(race.seeds)} replays on {self.table.n_seeds} seeds",
        )  # fmt: skip
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.legend()
        return figure

    def _race(self) -> Iterator[list[Any]]:
        """Yield name, seconds, seconds to the target over those of random search, share that reached it, regret."""
        whole, own = self.race.seconds(RANDOM), self.race.to_target(RANDOM)
        for name in SEARCHES:
            seconds, to_target = self.race.seconds(name), self.race.to_target(name)
            last = self.race.regrets(name, [float(seconds.max())])[:, 0]
            medians = [float(np.median(to_target / of)) for of in (whole, own)]
            ratios = [of if np.isfinite(of) else None for of in medians]
            reached = float(np.isfinite(to_target).mean())
            yield [name, float(np.median(seconds)), *ratios, reached, float(last.mean())]


_RACE = [
    "search", "seconds", "seconds to the target over all of random search",
    "over those after which random search had it", "share of the replays that reach it", "mean regret at the end",
]  # fmt: skip


def _kind(kind: str, share: float) -> str:
    return "full training, one seed" if share == FULL else f"{kind}, {_fraction(share)} of the steps"


def _fraction(share: float) -> str:
    return f"1/{1 / share:.4g}"


def _estimate(of: Estimate) -> str:
    return "–" if of.value is None else f"{of.value:.2f} [{of.low:.2f}, {of.high:.2f}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
