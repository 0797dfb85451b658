"""How single hyperparameters, first of all learning rate, batch size and epochs, move the score."""

from typing import Any

from matplotlib.figure import Figure

from pipeline.report.analysis.scoring import spread
from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import cell, percent
from pipeline.report.results import Results
from pipeline.report.sections.hyperparameters import figures
from pipeline.report.sections.hyperparameters.analysis import (
    ALWAYS_SHOWN,
    MIN_DRAWS,
    Effect,
    Trend,
    baseline_seeds,
    effects,
    repeatability,
    trend,
)
from pipeline.statistics.scores import LABELS

MAX_PANELS, MAX_AXES = 12, 10
DRAWS_PER_PARAMETER = 10  # complete ones, for shares that are more than a hint: Harrell 2015, section 4.4


def context(results: Results) -> dict[str, Any]:
    """Return a sentence per hyperparameter, the noise between seeds, and the importances."""
    search, seeds, score = results.search, baseline_seeds(results.evaluation), LABELS[results.objective]
    alone, varied = effects(search, seeds), search.varied()
    shares = search.study.importances or {}
    sd, limit = spread(seeds), repeatability(seeds)
    drawn = [key for key in ALWAYS_SHOWN if key in search.trials and key not in {effect.key for effect in alone}]
    return {
        "score": score,
        "effects": [(effect.key, effect_sentence(effect, score)) for effect in alone],
        "noise": sd is not None and limit is not None and (f"{100 * limit:.1f}", f"{100 * sd:.2f}", seeds.size),
        "drawn": [trend_sentence(trend(search, key), score) for key in drawn],
        "n_complete": len(search.draws("complete")),
        "n_drawn": len(search.draws("complete", "pruned")),
        "n_varied": len(varied),
        "axes": _most_important(varied, shares, MAX_AXES),
        "panels": _most_important(varied, shares, MAX_PANELS),
        "shares": [[key, percent(share)] for key, share in shares.items()],
        "is_hint": len(search.draws("complete")) < DRAWS_PER_PARAMETER * len(shares),
        "surface": (figures.SURFACE_DRAWS, figures.SURFACE_VALUES),
        "has_surface": len(shares) > 1 and figures.has_surface(search.draws("complete"), list(shares)[:2]),
    }


def effect_sentence(effect: Effect, objective: str) -> str:
    """Return one sentence; a difference that seeds alone may make is called noise."""
    key, noise = effect.key, effect.noise
    trained = [(v, s) for v, s in zip(effect.values, effect.scores, strict=True) if s is not None]
    failed = [_shown(v) for v, s in zip(effect.values, effect.scores, strict=True) if s is None]
    end = f" Training failed at {', '.join(failed)}." if failed else ""
    if len(trained) < 2:
        return f"{key}: nothing to compare.{end}"
    first, at_first = trained[0]
    last, at_last = trained[-1]
    best, highest = max(trained, key=lambda t: t[1])
    worst, lowest = min(trained, key=lambda t: t[1])
    if noise is not None and highest - lowest <= noise:
        among = f"between {_shown(first)} and {_shown(last)}" if effect.numeric else f"{len(trained)} values"
        return (
            f"{key}, {among}: no difference beyond the noise between seeds (scores within "
            f"{100 * (highest - lowest):.1f} points; two seeds may be {100 * noise:.1f} apart).{end}"
        )
    if effect.numeric and abs(at_last - at_first) > (noise or 0):
        moved = "lowered" if at_last < at_first else "raised"
        sentence = (
            f"Raising {key} from {_shown(first)} to {_shown(last)} {moved} the {objective} on val "
            f"from {percent(at_first)} to {percent(at_last)}; best at {_shown(best)} ({percent(highest)})."
        )
    else:
        sentence = (
            f"{key}: the {objective} on val was best at {_shown(best)} ({percent(highest)}) "
            f"and worst at {_shown(worst)} ({percent(lowest)})."
        )
    return f"{sentence}{'' if noise is not None else ' How much of it is noise, one seed cannot show.'}{end}"


def _shown(value: Any) -> str:
    return "the default" if value is None else cell(value)


def trend_sentence(of: Trend, objective: str) -> str:
    """Return one cautious sentence."""
    if of.constant is not None and of.n > 1:
        return f"{of.key} was {cell(of.constant)} in every complete draw, so its influence is unknown."
    if of.n < MIN_DRAWS:
        return f"{of.key}: {of.n} complete draw{'s' * (of.n != 1)} cannot show its influence."
    if of.rho is None:
        return f"{of.key}: all {of.n} complete draws scored the same."
    rho = f"Spearman’s ρ = {of.rho:+.2f}, n = {of.n}".replace("-", "−")
    caution = "searched together with other parameters, so no cause"
    if not of.ordered:
        return f"{of.key}: no order among the complete draws beyond chance ({rho}; {caution})."
    word = "higher" if of.rho > 0 else "lower"
    return f"{of.key}: complete draws with a larger value had a {word} {objective} on val ({rho}; {caution})."


def draw(results: Results) -> list[Picture]:
    """Draw what the trials are enough for."""
    search, score = results.search, LABELS[results.objective]
    varied, shares, complete = search.varied(), search.study.importances or {}, search.draws("complete")
    alone = effects(search, baseline_seeds(results.evaluation))[:MAX_PANELS]
    logs = {entry.key: entry.log for entry in search.study.space}
    shown: dict[str, Figure] = {}
    if alone:
        shown["one_at_a_time"] = figures.one_at_a_time(alone, score)
    if len(varied) > 1 and len(complete) > 1:
        axes = {key: logs[key] for key in _most_important(varied, shares, MAX_AXES)}
        shown["parallel"] = figures.parallel(search.draws("complete", "pruned"), axes, score)
    if shares:
        shown["importances"] = figures.importances(shares)
    if len(shares) > 1:
        shown["contour"] = figures.contour(complete, list(shares)[:2], score)
    if varied:
        trials = search.trials[search.trials["role"].isin(["search", "baseline"])]
        shown["slices"] = figures.slices(trials, _most_important(varied, shares, MAX_PANELS), score)
    return [Picture(name, png(figure)) for name, figure in shown.items()]


def _most_important(keys: list[str], shares: dict[str, float], n: int) -> list[str]:
    """Return n keys; those without a share in the order of the space."""
    return sorted(keys, key=lambda key: -shares.get(key, 0.0))[:n]


SECTION = Section(order=40, title="Hyperparameters", context=context, figures=draw)
