"""Effects, ranks and finalists as sentences and cells."""

import numpy as np

from pipeline.report.formatting import percent
from pipeline.report.sections.answers.analysis import Analysis, Steps
from pipeline.report.sections.answers.best import Finalist, best_of_families, finalists, lead
from pipeline.statistics.effects import ErrorFactor, Later, needed
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.rung_agreement import MIN_PAIRS

CHANGES = {"lr": "Ten times the learning rate", "batch_size": "Doubling the batch"}
WHOLE = 0.995  # share of the steps from which a training counts as whole
SEEDS = 3  # of each family's best, for an interval of their difference


def factor_cell(effect: ErrorFactor) -> str:
    """Return `×1.45 [1.23, 1.71]`, or the interval of an effect that cannot be determined."""
    if effect.interval is None:
        return "cannot be determined"
    ends = f"[{effect.interval[0]:.2f}, {effect.interval[1]:.2f}]"
    if effect.factor is None or effect.factor.value is None:
        return f"cannot be determined {ends}"
    return f"×{effect.factor.value:.2f} {ends}"


def changed(factor: Estimate) -> str:
    """Return `raises the error by 45 % [23, 71]`; where the interval holds 1, how small the effect is."""
    value, low, high = (100 * ((end or 1.0) - 1) for end in (factor.value, factor.low, factor.high))
    if low > 0:
        return f"raises the error by {value:.0f} % [{low:.0f}, {high:.0f}]"
    if high < 0:
        return f"lowers the error by {-value:.0f} % [{-high:.0f}, {-low:.0f}]"
    return f"changes the error by {value:+.0f} % [{low:+.0f}, {high:+.0f}], so by little".replace("-", "−")


def more_draws(n: int) -> str:
    return f"about {n:,} more designed draw{'s' * (n != 1)}"


def rung_text(analysis: Analysis, rung: int) -> str:
    """Return where a number comes from: `1/9 of the steps`."""
    share = analysis.share(rung)
    if share >= WHOLE:
        return "all steps"
    return (
        f"1/{1 / share:.0f} of the steps" if abs(1 / share - round(1 / share)) < 0.01 else f"{share:.0%} of the steps"
    )


def effect_sentence(analysis: Analysis, name: str) -> str:
    """Return the answer on the learning rate or the batch size."""
    change, rung = CHANGES[name], rung_text(analysis, analysis.rungs[0])
    effect = next((of for (key, _), of in analysis.effects.items() if key == name), None)
    if effect is None:
        is_trained = np.isfinite(analysis.logs(analysis.rungs[0])) & analysis.designed
        n = int(is_trained.sum())
        if name not in analysis.columns:
            return f"Cannot be determined: no designed draw varies it (n = {n} at {rung})."
        more = needed(analysis.families[analysis.designed], n)
        return f"Cannot be determined from n = {n} designed draws at {rung}; {more_draws(more)}."
    source = f"n = {effect.n} designed draws at {rung}"
    optimum = _optimum(analysis) if name == "lr" else ""
    if effect.factor is None:
        assert effect.interval
        low, high = effect.interval
        span = f"{change.lower()} multiplies the error by {low:.2f} to {high:.2f}"
        return f"Cannot be determined: {span} ({source}); {more_draws(effect.more)}.{optimum}"
    place = " in the middle of its range" if name == "lr" else ""
    return f"{change}{place} {changed(effect.factor)}; {source}.{_length(analysis, name)}{optimum}"


def _optimum(analysis: Analysis) -> str:
    """Return the learning rates of lowest error of each optimizer, from the lowest to the highest of its families."""
    places: dict[str, list[float]] = {}
    for of in analysis.curves:
        if of.curve and of.curve.lowest.value is not None:
            places.setdefault(of.optimizer, []).append(of.curve.lowest.value)
    ranges = [(name, f"{10 ** min(of):.2g}", f"{10 ** max(of):.2g}") for name, of in sorted(places.items())]
    texts = [f"{low if low == high else f'{low} to {high}'}{name and f' ({name})'}" for name, low, high in ranges]
    return f" Lowest error, over the families, at {', '.join(texts)}." if texts else ""


def _length(analysis: Analysis, name: str) -> str:
    rung, later = analysis.later
    of = next((value for (key, _), value in later.items() if key == name), None)
    return "" if of is None else f" With the length, up to {rung_text(analysis, rung)}: {verdict(of)}."


def verdict(later: Later) -> str:
    """Return whether an effect is the same after longer training."""
    if later.ratio.factor is None:
        return f"cannot be determined, about {later.ratio.more:,} more draws"
    low, high = later.ratio.interval or (1.0, 1.0)
    return "agrees" if low <= 1 <= high else f"changes, times {later.ratio.factor.value:.2f}"


def steps_sentence(analysis: Analysis, every: list[Steps]) -> str:
    """Return the answer on the number of epochs."""
    parts = [_step_text(analysis, of) for of in every if of.effect]
    if not parts:
        n = max((of.n for of in every), default=0)
        more = max(1, MIN_PAIRS - n)
        return f"Cannot be determined: n = {n} designed draws were trained at two rungs; about {more} more."
    known = "corrected for luck in the choice of the draws"
    if analysis.noise is None:
        known = "draws chosen by the shorter training, so the gain is understated"
    return f"{'; '.join(parts)}; {known}."


def _step_text(analysis: Analysis, of: Steps) -> str:
    assert of.effect
    assert of.effect.interval
    longer, n = f"{of.times:.3g} times the steps, up to {rung_text(analysis, of.second)}", f"n = {of.n} designed draws"
    if of.effect.factor is None:
        low, high = of.effect.interval
        more = more_draws(of.effect.more)
        return f"{longer}: cannot be determined, error times {low:.2f} to {high:.2f} ({n} at both), {more}"
    return f"{longer}, {changed(of.effect.factor)} ({n} trained at both)"


def family_sentence(analysis: Analysis) -> str:
    """Return the answer on the architecture, from whole trainings alone; references do not count."""
    best = best_of_families(finalists(analysis))
    rung = rung_text(analysis, analysis.top)
    if analysis.share(analysis.top) < WHOLE:
        return (
            f"Cannot be determined: families were compared at {rung} only, and a short training prefers those that "
            "learn fast."
        )
    if len(best) < 2:
        return (
            f"Cannot be determined: {len(best)} famil{'y' if len(best) == 1 else 'ies'} reached the last rung ({rung})."
        )
    first, second = best[:2]
    n = f"n = {len(first.scores)} and {len(second.scores)} seeds at {rung}"
    seeds = f"best trial of each family on val, optimistic; {n}"
    difference = lead(first, second)
    if difference is None:
        return (
            f"Cannot be determined: {first.family} has {percent(first.mean)}, {second.family} {percent(second.mean)} "
            f"({seeds}); {SEEDS} seeds of each would give an interval."
        )
    value, low, high = (100 * (end or 0.0) for end in (difference.value, difference.low, difference.high))
    points = f"{value:.1f} points [{low:.1f}, {high:.1f}]".replace("-", "−")
    if low <= 0:
        return f"Cannot be determined: {first.family} is {points} above {second.family} ({seeds}); more seeds of both."
    return f"{first.family} is {points} above {second.family} ({seeds})."


def name_of(of: Finalist) -> str:
    return f"trial {of.number}, {of.family}"


def optimum_cell(of: Estimate) -> str:
    """Return a learning rate from its logarithm with its interval."""
    return f"{10 ** (of.value or 0):.2g} [{10 ** (of.low or 0):.2g}, {10 ** (of.high or 0):.2g}]"
