"""How single hyperparameters, first of all learning rate, batch size and epochs, move the score."""

from typing import Any

from matplotlib.figure import Figure

from pipeline.report.analysis.scoring import spread
from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.formatting import percent
from pipeline.report.results import Results
from pipeline.report.sections.hyperparameters import analysis, figures
from pipeline.statistics.scores import LABELS

MAX_PANELS = 12
DRAWS_PER_PARAMETER = 10  # complete ones, for shares that are more than a hint: Harrell 2015, section 4.4


def context(results: Results) -> dict[str, Any]:
    """Return a sentence per hyperparameter, the noise between seeds, and the importances."""
    search, seeds, score = (
        results.search.at_first_rung(),
        analysis.baseline_seeds(results.evaluation),
        LABELS[results.objective],
    )
    complete, varied, shares = search.draws("complete"), search.varied(), search.study.importances or {}
    effects = {
        effect.key: analysis.effect_sentence(effect, score) for effect in analysis.effects(results.search, seeds)
    }
    sd, limit = spread(seeds), analysis.repeatability(seeds)
    drawn = [key for key in analysis.ALWAYS_SHOWN if key in search.trials and key not in effects]
    return {
        "score": score,
        "first_share": None if search.rungs.empty else f"{100 * float(search.rungs['share'].min()):.0f} %",
        "effects": list(effects.items()),
        "noise": sd is not None and limit is not None and (f"{100 * limit:.1f}", f"{100 * sd:.2f}", seeds.size),
        "drawn": [analysis.trend_sentence(analysis.trend(search, key), score) for key in drawn],
        "n_complete": len(complete),
        "n_varied": len(varied),
        "panels": _most_important(varied, shares, MAX_PANELS),
        "shares": [[key, percent(share)] for key, share in shares.items()],
        "is_hint": len(complete) < DRAWS_PER_PARAMETER * len(shares),
        "surface": (figures.SURFACE_DRAWS, figures.SURFACE_VALUES),
        "has_surface": len(shares) > 1 and figures.has_surface(complete, list(shares)[:2]),
    }


def draw(results: Results) -> list[Picture]:
    """Draw what the trials are enough for."""
    search, score = results.search.at_first_rung(), LABELS[results.objective]
    varied, shares, complete = search.varied(), search.study.importances or {}, search.draws("complete")
    alone = analysis.effects(results.search, analysis.baseline_seeds(results.evaluation))[:MAX_PANELS]
    shown: dict[str, Figure] = {}
    if alone:
        shown["one_at_a_time"] = figures.one_at_a_time(alone, score)
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
