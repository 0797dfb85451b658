"""What differs between baseline and winner, and what the designed draws estimate of each difference.

No configuration between the two was trained, so this is no path whose steps add up: each change is made alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.artifacts.configuration import Configuration
from pipeline.report.formatting import cell, percent
from pipeline.report.pages import Table
from pipeline.report.sections.answers.analysis import Analysis
from pipeline.report.sections.answers.ranges import space_range
from pipeline.report.sections.answers.texts import factor_cell, rung_text
from pipeline.statistics.design import LEVEL_ROWS, OTHER_RESOLUTION
from pipeline.statistics.effects import ErrorFactor, Model, effect_of, fit_model

ALL = "all estimated changes together"


@dataclass(frozen=True)
class Difference:
    """Keys that change together, and the estimated factor on the error."""

    keys: tuple[str, ...]  # none: all changes that have an estimate together
    effect: ErrorFactor | None
    reason: str = ""  # why there is no estimate

    @property
    def size(self) -> float:
        """Return how far the estimate is from no effect; -1 without one."""
        factor = self.effect.factor if self.effect else None
        return abs(float(np.log(factor.value))) if factor and factor.value else -1.0


def differences(analysis: Analysis) -> list[Difference]:
    """Return each difference between baseline and winner, the largest effect first, and those with one together."""
    baseline, winner = analysis.search.baseline, analysis.search.winner
    obstacles = {keys: next(filter(None, (_obstacle(analysis, key) for key in keys)), "") for keys in _groups(analysis)}
    candidates = [keys for keys, reason in obstacles.items() if not reason]
    changed = [baseline | {key: winner[key] for key in keys} for keys in candidates]
    estimates = dict(zip(candidates, _estimates(analysis, [baseline, *changed]), strict=True)) if changed else {}
    singles = [Difference(keys, *estimates.get(keys, (None, reason))) for keys, reason in obstacles.items()]
    estimated = [key for of in singles if of.effect for key in of.keys]
    together = []
    if sum(of.effect is not None for of in singles) > 1:
        last = baseline | {key: winner[key] for key in estimated}
        together = [Difference((), *_estimates(analysis, [baseline, last])[0])]
    return [*sorted(singles, key=lambda of: (of.effect is None, -of.size)), *together]


def _groups(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the keys that differ; those whose range depends on another one that differs form a group with it."""
    baseline, winner = analysis.search.baseline, analysis.search.winner
    keys = [key for key in dict.fromkeys([*baseline, *winner]) if baseline.get(key) != winner.get(key)]
    groups = {key: {key} for key in keys}
    for entry in analysis.search.study.space:
        for other in entry.when:
            if entry.key in groups and other in groups and other != analysis.family_key:
                merged = groups[entry.key] | groups[other]
                groups |= dict.fromkeys(merged, merged)
    return list(dict.fromkeys(tuple(key for key in keys if key in groups[each]) for each in keys))


def _obstacle(analysis: Analysis, key: str) -> str:
    """Return why the change of a key has no estimate; empty if it may have one."""
    values = [analysis.search.baseline.get(key), analysis.search.winner.get(key)]
    if key == analysis.family_key:
        return "the family differs: not separable from all that belongs to it"
    if None in values:
        return "only one of the two has it: not separable"
    if key not in analysis.columns:
        return "no designed draw varies it"
    if analysis.model is None or key in analysis.model.dropped:
        return "too few designed draws"
    drawn = [value for value in analysis.columns[key][analysis.model.rows] if value is not None]
    return "" if all(_is_covered(value, drawn) for value in values) else "outside what the designed draws cover"


def _is_covered(value: Any, drawn: list[Any]) -> bool:
    if _is_number(value) and all(map(_is_number, drawn)):
        return bool(min(drawn) <= value <= max(drawn))
    return [str(each) for each in drawn].count(str(value)) >= LEVEL_ROWS


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def _estimates(analysis: Analysis, configs: list[Configuration]) -> list[tuple[ErrorFactor | None, str]]:
    """Return the factor on the error from the first configuration to each other one, or why there is no estimate.

    The configurations are further rows of the design, without an error, so they have values in its columns and do not
    change the fit. All are rows of one family: the effects are the same in all.
    """
    model, n = _model_with(analysis, configs), int(analysis.designed.sum())
    if model is None:
        return [(None, "too few designed draws")] * (len(configs) - 1)
    # (n + configurations, terms); a number that the configurations leave to its default is in the middle of its range
    values = np.nan_to_num(np.stack([term.values for term in model.terms], axis=1))
    lr = next((i for i, term in enumerate(model.terms) if term.name == "lr"), None)
    out: list[tuple[ErrorFactor | None, str]] = []
    for row in values[n + 1 :]:
        contrast = np.pad(row - values[n], (model.n_other, 0))
        if not contrast.any():
            out.append((None, "not separable from other parameters"))
        elif lr is not None and not values[model.rows, lr].min() <= row[lr] <= values[model.rows, lr].max():
            out.append((None, "outside what the designed draws cover"))
        else:
            effect = effect_of("", "", model.fit.of(contrast), model.rows.size, OTHER_RESOLUTION)
            out.append((effect, ""))
    return out


def _model_with(analysis: Analysis, configs: list[Configuration]) -> Model | None:
    """Return the model of the first rung with further rows."""
    logs = np.append(analysis.logs(analysis.rungs[0])[analysis.designed], np.full(len(configs), np.nan))
    family = str(configs[0].get(analysis.family_key))
    families = np.append(analysis.families[analysis.designed], np.array([family] * len(configs), dtype=object))
    columns = {
        name: np.append(values, np.array([config.get(name) for config in configs], dtype=object))
        for name, values in analysis.columns.items()
    }
    further = {name: space_range(analysis.search.study.space, name, configs) for name in analysis.ranges}
    ranges = {
        name: ends if of is None or ends.ndim == 1 else np.vstack([ends, of])
        for (name, ends), of in zip(analysis.ranges.items(), further.values(), strict=True)
    }
    weights = np.pad(analysis.weights, ((0, 0), (0, len(configs))))
    return fit_model(logs, families, columns, weights, ranges)


def differences_table(analysis: Analysis, seeds: Mapping[str, Sequence[float]]) -> Table | None:
    """Return what differs between baseline and winner; None if nothing does.

    seeds: scores on val of the winner and the baseline, retrained in full.
    """
    baseline, winner = analysis.search.baseline, analysis.search.winner
    rows = []
    for of in differences(analysis):
        before, after = (", ".join(cell(config.get(key)) or "–" for key in of.keys) for config in (baseline, winner))
        estimate = factor_cell(of.effect) if of.effect else of.reason
        rows.append([", ".join(of.keys) or ALL, before, after, estimate])
    n = 0 if analysis.model is None else analysis.model.rows.size
    errors = {model: 1 - float(np.mean(scores)) for model, scores in seeds.items()}
    trained = f"error {percent(errors['winner'])} against {percent(errors['baseline'])}"
    return Table(
        f"From the baseline to the winner: factor on the error [95 %] of each change alone, by the regression of "
        f"n = {n} designed draws at {rung_text(analysis, analysis.rungs[0])}",
        ["parameter", "baseline", "winner", "factor on the error"],
        rows,
        note="Estimates, the same for all families: no configuration between the two was trained, and a short training "
        "may rank changes unlike a whole one. Keys in one row depend on each other. Retrained in full, the winner has "
        f"{trained} on val, on which it was chosen (n = {len(seeds['winner'])} and {len(seeds['baseline'])} seeds).",
    ) if rows else None  # fmt: skip
