"""Answers on learning rate, batch size, epochs and architecture, from the rungs of a search."""

from typing import Any

from matplotlib.figure import Figure

from pipeline.artifacts.evaluation import MODELS
from pipeline.report.drawing import Picture, png
from pipeline.report.experiment_page import Section
from pipeline.report.results import Results
from pipeline.report.sections.answers import batches, cost, cost_figures, figures, finalist_tables, tables, texts
from pipeline.report.sections.answers.analysis import Analysis, Ranks, analyse
from pipeline.report.sections.answers.best import finalists, network_sizes
from pipeline.report.sections.answers.differences import differences_table
from pipeline.report.sections.hyperparameters import figures as hyperparameter_figures
from pipeline.statistics.rung_agreement import WEAK
from pipeline.statistics.scores import LABELS

PICTURE_DPI = 100  # small: the section has several
PAIR = ("lr", "batch_size")


def context(results: Results) -> dict[str, Any] | None:
    """Return a sentence per question and the tables of their numbers; None for a search without rungs."""
    analysis = analyse(results)
    if analysis is None:
        return None
    steps, ranks, every = list(analysis.steps()), list(analysis.ranks()), finalists(analysis)
    sizes, timed = batches.batches(analysis), cost.timed_trainings(analysis, results.search_runs)
    seeds = {model: [run.val_score for run in results.evaluation.runs(model)] for model in MODELS}
    retuned = batches.retuned_effect(analysis, sizes)
    shown = {
        "effects": tables.effects_table(analysis),
        "rates": tables.rates_table(analysis),
        "steps": tables.steps_table(analysis, steps),
        "ranks": tables.ranks_table(analysis, ranks),
        "batches": batches.batches_table(analysis, sizes),
        "differences": differences_table(analysis, seeds),
        "families": finalist_tables.families_table(analysis, every),
        "given": finalist_tables.given_table(analysis, every) if every else None,
        "size": finalist_tables.size_table(analysis, every),
        "failures": cost.failures_table(analysis),
    }
    if timed is not None:
        shown["seconds"] = batches.seconds_table(analysis, sizes, timed)
        shown["time"] = finalist_tables.time_table(analysis, every, cost.training_seconds(analysis, timed))
        shown["cost"] = cost.cost_table(analysis, timed)
    return {
        "cautions": _cautions(analysis, ranks),
        "answers": [
            ("Learning rate", texts.effect_sentence(analysis, "lr")),
            ("Batch size", texts.effect_sentence(analysis, "batch_size") + batches.retuned_sentence(retuned)),
            ("Epochs", texts.steps_sentence(analysis, steps)),
            ("Architecture", texts.family_sentence(analysis)),
        ],
        "shown": shown,
        "n_designed": int(analysis.designed.sum()),
        "n_trials": len(analysis.trials),
        "n_finalists": len(every),
        "first": texts.rung_text(analysis, analysis.rungs[0]),
        "top": texts.rung_text(analysis, analysis.top),
        "top_is_whole": analysis.share(analysis.top) >= texts.WHOLE,
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
    every, sizes = finalists(analysis), batches.batches(analysis)
    timed = cost.timed_trainings(analysis, results.search_runs)
    shown = {"lengths": figures.lengths(analysis)}
    if analysis.curves:
        shown["rates"] = figures.rates(analysis)
    if sizes:
        shown["batches"] = cost_figures.batches(analysis, sizes, batches.retuned_batches(analysis, sizes))
    if all(name in analysis.columns for name in PAIR):
        draws = analysis.trials[analysis.designed].assign(score=analysis.scores(analysis.rungs[0])[analysis.designed])
        draws = draws.dropna(subset=["score"])
        if len(draws):
            shown["contour"] = hyperparameter_figures.contour(draws, PAIR, LABELS[results.objective])
    if len(analysis.rungs) > 1:
        shown["ranks"] = figures.ranks(analysis)
    if any(of.competes for of in every):
        shown["families"] = figures.families(analysis, every)
    pictures = [_picture(name, figure) for name, figure in shown.items()]
    if timed is not None:
        pictures.append(_picture("anytime", cost_figures.anytime(analysis, timed), run=True))
    if timed is not None and every:
        costs = {"trainable weights": network_sizes(analysis)}
        costs["seconds of one training"] = cost.training_seconds(analysis, timed)
        pictures.append(_picture("front", cost_figures.front(analysis, every, costs), run=True))
    return pictures


def _picture(name: str, figure: Figure, *, run: bool = False) -> Picture:
    return Picture(f"answers_{name}", png(figure, PICTURE_DPI), run=run)


SECTION = Section(order=35, title="Answers", context=context, figures=draw)
