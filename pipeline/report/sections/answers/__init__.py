"""Answers on learning rate, batch size, epochs and architecture, from the rungs of a search."""

from typing import Any

from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.results import Results
from pipeline.report.sections.answers import figures, tables, texts
from pipeline.report.sections.answers.analysis import Analysis, Ranks, analyse
from pipeline.report.sections.answers.best import finalists
from pipeline.report.sections.hyperparameters import figures as hyperparameter_figures
from pipeline.statistics.rung_agreement import WEAK
from pipeline.statistics.scores import LABELS

PICTURE_DPI = 100  # small: the section has five
PAIR = ("lr", "batch_size")


def context(results: Results) -> dict[str, Any] | None:
    """Return a sentence per question and the tables of their numbers; None for a search without rungs."""
    analysis = analyse(results)
    if analysis is None:
        return None
    steps, ranks, every = list(analysis.steps()), list(analysis.ranks()), finalists(analysis)
    shown = {
        "effects": tables.effects_table(analysis),
        "rates": tables.rates_table(analysis),
        "steps": tables.steps_table(analysis, steps),
        "ranks": tables.ranks_table(analysis, ranks),
        "families": tables.families_table(analysis, every) if every else None,
        "given": tables.given_table(analysis, every) if every else None,
        "size": tables.size_table(analysis, every) if every else None,
        "time": tables.time_table(analysis, every, results.search_runs) if every else None,
    }
    return {
        "cautions": _cautions(analysis, ranks),
        "answers": [
            ("Learning rate", texts.effect_sentence(analysis, "lr")),
            ("Batch size", texts.effect_sentence(analysis, "batch_size")),
            ("Epochs", texts.steps_sentence(analysis, steps)),
            ("Architecture", texts.family_sentence(analysis)),
        ],
        "shown": shown,
        "n_designed": int(analysis.designed.sum()),
        "n_trials": len(analysis.trials),
        "n_finalists": len(every),
        "first": texts.rung_text(analysis, analysis.rungs[0]),
        "top": texts.rung_text(analysis, analysis.top),
    }


def _cautions(analysis: Analysis, ranks: list[Ranks]) -> list[str]:
    """Return a warning for each rung that ranks the trials of a family too unlike the next one."""
    weak = [of for of in ranks if of.inside and of.first != of.second and (of.agreement.tau.value or 0.0) < WEAK]
    return [
        f"The training at {texts.rung_text(analysis, of.first)} ranks trials of one family unlike that at "
        f"{texts.rung_text(analysis, of.second)}: Kendall’s τ = {tables.rank_cell(of.agreement.tau)}, below {WEAK:g} "
        f"(n = {of.agreement.n} trials), so the search may have dropped better ones."
        for of in weak
    ]


def draw(results: Results) -> list[Picture]:
    """Draw what the trials are enough for."""
    analysis = analyse(results)
    assert analysis
    every = finalists(analysis)
    shown = {"lengths": figures.lengths(analysis)}
    if analysis.curves:
        shown["rates"] = figures.rates(analysis)
    if all(name in analysis.columns for name in PAIR):
        draws = analysis.trials[analysis.designed].assign(score=analysis.scores(analysis.rungs[0])[analysis.designed])
        draws = draws.dropna(subset=["score"])
        if len(draws):
            shown["contour"] = hyperparameter_figures.contour(draws, PAIR, LABELS[results.objective])
    if len(analysis.rungs) > 1:
        shown["ranks"] = figures.ranks(analysis)
    if every:
        shown["families"] = figures.families(analysis, every)
    return [Picture(f"answers_{name}", png(figure, PICTURE_DPI)) for name, figure in shown.items()]


SECTION = Section(order=35, title="Answers", context=context, figures=draw)
