"""How single hyperparameters, first of all learning rate, batch size and epochs, move the score."""

from typing import Any

from numpy.typing import NDArray

from pipeline.report.analysis.scoring import spread
from pipeline.report.drawing import Picture, png
from pipeline.report.formatting import cell, percent
from pipeline.report.results import Results
from pipeline.report.section import Section
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
from pipeline.report.table import Table
from pipeline.statistics.scores import LABELS

MAX_PANELS, MAX_AXES = 12, 10
DRAWS_PER_PARAMETER = 10  # complete ones, for shares that are more than a hint: Harrell 2015, section 4.4


def context(results: Results) -> dict[str, Any]:
    """Return a sentence per hyperparameter, the noise between seeds, and the importances."""
    search, seeds, objective = results.search, baseline_seeds(results.evaluation), LABELS[results.objective]
    varied = effects(search, seeds)
    drawn = [key for key in ALWAYS_SHOWN if key in search.trials and key not in {effect.key for effect in varied}]
    shares, n_draws = search.study.importances, len(search.draws("complete"))
    hint = shares is not None and n_draws < DRAWS_PER_PARAMETER * len(shares)
    return {
        "varied_alone": [effect_sentence(effect, objective) for effect in varied],
        "noise": _noise(seeds),
        "drawn": [trend_sentence(trend(search, key), objective) for key in drawn],
        "hint": f"{n_draws} complete draws for {len(shares or ())} parameters: the order of importance is a hint, not "
        "a result."
        if hint
        else "",
        "importances": shares
        and Table(
            f"Importance over {n_draws} complete draws",
            ["parameter", "share of the score's variance"],
            [[key, percent(share)] for key, share in shares.items()],
        ),
    }


def _noise(seeds: NDArray[Any]) -> str:
    sd, limit = spread(seeds), repeatability(seeds)
    if sd is None or limit is None:
        return "One seed: no measure of noise."
    return (
        f"Noise between seeds: two trainings that differ in the seed alone are up to {100 * limit:.1f} points apart in "
        "95 % of cases (repeatability limit, ISO 5725-6: 2.8 SD), by the SD of the retrained baseline on validation, "
        f"{100 * sd:.2f} points over {seeds.size} seeds, itself a rough estimate; other values are taken to be "
        "as noisy."
    )


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
    search, objective = results.search, LABELS[results.objective]
    varied, shares, complete = search.varied(), search.study.importances, search.draws("complete")
    alone = effects(search, baseline_seeds(results.evaluation))
    pictures = []
    if alone:
        pictures.append(_one_at_a_time(alone[:MAX_PANELS], objective))
    if len(varied) > 1 and len(complete) > 1:
        pictures.append(_parallel(results, _most_important(varied, shares, MAX_AXES)))
    if shares:
        pictures.append(_importances(shares, len(complete)))
        if len(shares) > 1:
            first, second, *_ = shares
            pictures.append(_contour(results, (first, second)))
    if varied:
        pictures.append(_slices(results, _most_important(varied, shares, MAX_PANELS)))
    return pictures


def _most_important(keys: list[str], shares: dict[str, float] | None, n: int) -> list[str]:
    """Return n keys; those without a share in the order of the space."""
    return sorted(keys, key=lambda key: -(shares or {}).get(key, 0.0))[:n]


def _one_at_a_time(alone: list[Effect], objective: str) -> Picture:
    return Picture(
        "one_at_a_time",
        png(figures.one_at_a_time(alone, objective)),
        alt=f"Score of the baseline with one parameter changed, a panel each: {', '.join(e.key for e in alone)}.",
        caption="The baseline (diamond) with one value changed and all else kept, one training each, by the score of "
        "its best epoch; values in their order, not to scale. Inside the band a difference to the baseline may come "
        "from the seed alone. Cross: training failed.",
    )


def _parallel(results: Results, keys: list[str]) -> Picture:
    search, objective = results.search, LABELS[results.objective]
    logs = {entry.key: entry.log for entry in search.study.space}
    draws, n_varied = search.draws("complete", "pruned"), len(search.varied())
    shown = f" The {len(keys)} most important of {n_varied} parameters." if n_varied > len(keys) else ""
    return Picture(
        "parallel",
        png(figures.parallel(draws, {key: logs[key] for key in keys}, objective)),
        alt=f"Parallel coordinates of {len(draws)} draws over {', '.join(keys)} and the {objective} on val.",
        caption="Every draw as a line from parameter to parameter down to its score; the stronger its contrast, the "
        "better. Dashed grey: pruned, with the best score until then. Lines are spread a little where they share a "
        f"choice.{shown}",
    )


def _importances(shares: dict[str, float], n: int) -> Picture:
    listed = ", ".join(f"{key} {percent(share, 0)}" for key, share in shares.items())
    return Picture(
        "importances",
        png(figures.importances(shares)),
        alt=f"Bars of the parameters' importance: {listed}.",
        caption=f"Importance of each parameter over {n} complete draws: its own share of the score's variance, by "
        "fANOVA (Hutter et al. 2014). Parameters that only some draws have are not included.",
    )


def _contour(results: Results, pair: tuple[str, str]) -> Picture:
    draws, objective = results.search.draws("complete"), LABELS[results.objective]
    rule = (
        f"A surface takes {figures.SURFACE_DRAWS} complete draws and {figures.SURFACE_VALUES} different numbers on "
        "each axis"
    )
    linear = f"{rule}; it is linear between draws, with no claim beyond them."
    return Picture(
        "contour",
        png(figures.contour(draws, pair, objective)),
        alt=f"{len(draws)} complete draws over {pair[0]} and {pair[1]}, coloured by {objective} on val.",
        caption="The two most important parameters, every complete draw by its score. "
        f"{linear if figures.has_surface(draws, pair) else f'No surface: {rule}.'}",
    )


def _slices(results: Results, keys: list[str]) -> Picture:
    trials, n_varied = results.search.trials, len(results.search.varied())
    drawn = trials[trials["role"].isin(["search", "baseline"])]
    shown = f" The first {len(keys)} of {n_varied} are shown." if n_varied > len(keys) else ""
    return Picture(
        "slices",
        png(figures.slices(drawn, keys, LABELS[results.objective])),
        alt=f"Score of each trial over each varied parameter: {', '.join(keys)}.",
        caption="Score over each parameter that varied. Parameters moved together, so a slope alone is no effect."
        f"{shown}",
    )


SECTION = Section(order=40, title="Hyperparameters", context=context, figures=draw)
