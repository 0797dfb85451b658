"""How single parameters, first of all learning rate, batch size and epochs, move the score."""

from typing import Any

import numpy as np

from pipeline.artifacts.evaluation import Evaluation
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.yaml_document import Scalar
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import cell, percent
from pipeline.report.sections.effects import figures as figures
from pipeline.report.sections.effects.analysis import (
    ASKED,
    MIN_DRAWS,
    Trend,
    Variation,
    repeatability,
    trend,
    variations,
)
from pipeline.report.sections.performance.analysis import spread
from pipeline.statistics.scores import LABELS

MAX_PANELS, MAX_AXES = 12, 10
DRAWS_PER_PARAMETER = 10  # complete ones, for shares that may be called more than a hint: Harrell 2015, section 4.4


def content(found: SearchResult, evaluation: Evaluation) -> dict[str, Any]:
    objective, seeds = LABELS[found.study.objective], _seeds(evaluation)
    tried, sd, limit = variations(found, seeds), spread(seeds), repeatability(seeds)
    asked = [key for key in ASKED if key in found.trials and key not in {v.key for v in tried}]
    shares, n = found.study.importances, len(found.draws("complete"))
    return {
        "varied_alone": [said_of_variation(variation, objective) for variation in tried],
        "drawn": [said_of_trend(trend(found, key), objective) for key in asked],
        "noise": None if sd is None or limit is None else (f"{100 * limit:.1f}", f"{100 * sd:.2f}"),
        "n_seeds": seeds.size,
        "n_draws": n,
        "shares": None if shares is None else [[key, percent(share)] for key, share in shares.items()],
        "hint": shares is not None and n < DRAWS_PER_PARAMETER * len(shares),
    }


def _seeds(evaluation: Evaluation) -> np.ndarray[Any, Any]:
    """(S,) scores of the retrained baseline on val."""
    return np.array([run.val_score for run in evaluation.runs("baseline")], dtype=float)


def _shown(value: Scalar | None) -> str:
    return "the default" if value is None else cell(value)


def said_of_variation(variation: Variation, objective: str) -> str:
    """One sentence; a difference that seeds alone may make is called that."""
    key = variation.key
    trained = [(v, s) for v, s in zip(variation.values, variation.scores, strict=True) if s is not None]
    failed = [_shown(v) for v, s in zip(variation.values, variation.scores, strict=True) if s is None]
    end = f" Training failed at {', '.join(failed)}." if failed else ""
    if len(trained) < 2:
        return f"{key}: nothing to compare.{end}"
    (first, at_first), (last, at_last) = trained[0], trained[-1]
    (best, highest), (worst, lowest) = max(trained, key=lambda t: t[1]), min(trained, key=lambda t: t[1])
    noise = variation.noise
    if noise is not None and highest - lowest <= noise:
        among = f"between {_shown(first)} and {_shown(last)}" if variation.numeric else f"{len(trained)} values"
        return (
            f"{key}, {among}: no difference beyond the noise between seeds (scores within "
            f"{100 * (highest - lowest):.1f} points; two seeds may lie {100 * noise:.1f} apart).{end}"
        )
    if variation.numeric and abs(at_last - at_first) > (noise or 0):
        moved = "lowered" if at_last < at_first else "raised"
        said = (
            f"Raising {key} from {_shown(first)} to {_shown(last)} {moved} the {objective} on val "
            f"from {percent(at_first)} to {percent(at_last)}; best at {_shown(best)} ({percent(highest)})."
        )
    else:
        said = (
            f"{key}: the {objective} on val was best at {_shown(best)} ({percent(highest)}) "
            f"and worst at {_shown(worst)} ({percent(lowest)})."
        )
    return said + ("" if noise is not None else " How much of it is noise, one seed cannot tell.") + end


def said_of_trend(found: Trend, objective: str) -> str:
    """One cautious sentence."""
    if found.constant is not None and found.n > 1:
        return f"{found.key} was {cell(found.constant)} in every complete draw, so nothing can be told."
    if found.n < MIN_DRAWS:
        return f"{found.key}: its influence cannot be told from {found.n} complete draw{'s' * (found.n != 1)}."
    if found.rho is None:
        return f"{found.key}: all {found.n} complete draws scored the same."
    rho = f"Spearman’s ρ = {found.rho:+.2f}, n = {found.n}".replace("-", "−")
    caution = "searched together with other parameters, so no cause"
    if not found.ordered:
        return f"{found.key}: no order among the complete draws beyond chance ({rho}; {caution})."
    word = "higher" if found.rho > 0 else "lower"
    return f"{found.key}: complete draws with a larger value had a {word} {objective} on val ({rho}; {caution})."


def draw(found: SearchResult, evaluation: Evaluation) -> dict[str, Picture]:
    """Only what the trials can carry."""
    objective, varied = LABELS[found.study.objective], found.varied()
    tried, shares = variations(found, _seeds(evaluation)), found.study.importances
    complete = found.draws("complete")
    pictures = []
    if tried:
        pictures.append(_one_at_a_time(tried[:MAX_PANELS], objective))
    if len(varied) > 1 and len(complete) > 1:
        pictures.append(_parallel(found, _first(varied, shares, MAX_AXES), objective))
    if shares:
        pictures.append(_importances(shares, len(complete)))
        if len(shares) > 1:
            first, second, *_ = shares
            pictures.append(_contour(found, (first, second), objective))
    if varied:
        pictures.append(_slices(found, _first(varied, shares, MAX_PANELS), len(varied), objective))
    return {p.name: p for p in pictures}


def _first(keys: list[str], shares: dict[str, float] | None, n: int) -> list[str]:
    """The most important n; of others in the order of the space."""
    return sorted(keys, key=lambda key: -(shares or {}).get(key, 0.0))[:n]


def _one_at_a_time(tried: list[Variation], objective: str) -> Picture:
    return Picture(
        "one_at_a_time", png(figures.one_at_a_time(tried, objective)),
        f"Score of the baseline with one parameter changed, a panel each: {', '.join(v.key for v in tried)}.",
        "The baseline (diamond) with one value changed and all else kept, one training each, by the "
        "score of its best epoch; values stand in their order, not to scale. Inside the band a difference to the "
        "baseline may come from the seed alone. Cross: training failed.",
    )  # fmt: skip


def _parallel(found: SearchResult, keys: list[str], objective: str) -> Picture:
    logs = {entry.key: entry.log for entry in found.study.space}
    draws = found.draws("complete", "pruned")
    left_out = len(found.varied()) - len(keys)
    return Picture(
        "parallel", png(figures.parallel(draws, {key: logs[key] for key in keys}, objective)),
        f"Parallel coordinates of {len(draws)} draws over {', '.join(keys)} and the {objective} on val.",
        "Every draw as a line from parameter to parameter down to its score; the more it stands out from the "
        "background, the better. Dashed grey: pruned, with the best score until then. Lines are set apart a little "
        "where they share a choice."
        + (f" The {len(keys)} most important of {len(keys) + left_out} parameters." if left_out else ""),
    )  # fmt: skip


def _importances(shares: dict[str, float], n: int) -> Picture:
    listed = ", ".join(f"{key} {percent(share, 0)}" for key, share in shares.items())
    return Picture(
        "importances", png(figures.importances(shares)),
        f"Bars of the parameters' importance: {listed}.",
        f"Importance of each parameter over {n} complete draws: its own share of the score's variance, by fANOVA "
        "(Hutter et al. 2014). Parameters that only some draws have are left out.",
    )  # fmt: skip


def _contour(found: SearchResult, pair: tuple[str, str], objective: str) -> Picture:
    draws = found.draws("complete")
    surface = figures.has_surface(draws, pair)
    rule = (
        f"A surface takes {figures.SURFACE_DRAWS} complete draws and {figures.SURFACE_VALUES} different numbers on "
        "each axis"
    )
    said = f"{rule}; it is linear between draws, with no claim beyond them." if surface else f"No surface: {rule}."
    return Picture(
        "contour", png(figures.contour(draws, pair, objective)),
        f"{len(draws)} complete draws over {pair[0]} and {pair[1]}, coloured by {objective} on val.",
        f"The two most important parameters, every complete draw by its score. {said}",
    )  # fmt: skip


def _slices(found: SearchResult, keys: list[str], n: int, objective: str) -> Picture:
    drawn = found.trials[found.trials["role"].isin(["search", "baseline"])]
    return Picture(
        "slices", png(figures.slices(drawn, keys, objective)),
        f"Score of each trial over each varied parameter: {', '.join(keys)}.",
        "Score over each parameter that varied. Parameters moved together, so a slope here is no effect by itself."
        + (f" The first {len(keys)} of {n} are shown." if n > len(keys) else ""),
    )  # fmt: skip
