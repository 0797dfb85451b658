"""TODO report.experiment_page."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import MODELS, Evaluation
from pipeline.artifacts.explanations import Explanations
from pipeline.artifacts.layout import Layout
from pipeline.artifacts.report_numbers import SHARED, Intervals, Metrics, NumbersInfo, ReportNumbers, ScreeningNumbers
from pipeline.artifacts.runs import EvaluationRuns, SearchRuns
from pipeline.artifacts.search_result import SearchResult
from pipeline.core.files import write_json
from pipeline.core.seeds import derive_seed
from pipeline.core.tables import write_spreadsheet_csv
from pipeline.report import drawing
from pipeline.report.pages import write_page, write_twin
from pipeline.report.sections import FEW_GROUPS
from pipeline.report.sections.data import section as data
from pipeline.report.sections.effects import section as effects
from pipeline.report.sections.explanations import section as insights
from pipeline.report.sections.learning import section as learning
from pipeline.report.sections.learning.analysis import mean_curves
from pipeline.report.sections.performance import analysis, subgroups
from pipeline.report.sections.performance import section as tests
from pipeline.report.sections.performance.analysis import Comparison, Decision, Scores
from pipeline.report.sections.probabilities import section as probabilities
from pipeline.report.sections.probabilities.analysis import calibrate, discriminate
from pipeline.report.sections.reproduce import section as reproduce
from pipeline.report.sections.screening import section as decided
from pipeline.report.sections.search import section as trials
from pipeline.report.sections.verdict import section as verdict
from pipeline.report.settings import ReportSettings, ScreeningSettings
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES

CHANCE_DRAWS = 200  # of outcomes under exact probabilities; only their mean is shown


def write_experiment_page(
    layout: Layout, experiment: str, settings: ReportSettings, tracking_uri: str | None = None
) -> None:
    """tracking_uri: of MLflow; None: the file in the repository."""
    found, evaluation = SearchResult.read(layout.search(experiment)), Evaluation.read(layout.evaluate(experiment))
    inside = Explanations.read(layout.evaluate(experiment) / "explanations", evaluation)
    searched = SearchRuns.read(layout.search_runs(experiment))
    evaluated = EvaluationRuns.read(layout.evaluation_runs(experiment))
    out, screening, draws = layout.reports() / experiment, settings.screening, settings.bootstrap_draws

    def generator(purpose: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(settings.seed, purpose, experiment))

    scores = analysis.score_test_part(evaluation, draws, generator("bootstrap"))
    comparison = analysis.compare(evaluation)
    areas = discriminate(evaluation, draws, generator("auc"))
    calibrated = calibrate(evaluation, CHANCE_DRAWS, generator("calibration"))
    decisions = {
        model: analysis.decide(evaluation, model, screening.prevalence_per_100k, screening.n_screened)
        for model in (MODELS if evaluation.positive else ())
    }
    stored = subgroups.by_file(evaluation, FEW_GROUPS, draws, generator("files"))
    main = found.study.objective

    tested = tests.content(evaluation, scores, comparison, stored, evaluated)
    looked = insights.content(inside, evaluation, scores, draws, generator("shortcut"))
    answered = verdict.content(found, evaluation, scores, comparison, main)
    answered["cautions"] = verdict.cautions(tested["contrasts"], looked["shortcut"]["way"])
    pictures = {
        **trials.draw(found, searched),
        **effects.draw(found, evaluation),
        **learning.draw(evaluation),
        **tests.draw(evaluation, scores),
        **probabilities.draw(calibrated),
        **(decided.draw(evaluation, decisions["winner"], screening) if decisions else {}),
        **insights.draw(inside, evaluation),
    }
    content = {
        "experiment": experiment,
        "study": found.study,
        "dataset": evaluation.dataset,
        "evaluation": evaluation.info,
        "search_seconds": searched.seconds,
        "search_experiment_id": searched.experiment_id,
        "verdict": answered,
        "data": data.content(evaluation, scores, subgroups.official(evaluation, draws, generator("official"))),
        "search": trials.content(found, evaluation, searched, scores, main),
        "effects": effects.content(found, evaluation),
        "learning": learning.content(evaluation),
        "performance": tested,
        "probabilities": probabilities.content(evaluation, areas, calibrated),
        "screening": decided.content(evaluation, decisions, screening) if decisions else None,
        "inside": looked,
        "reproduce": reproduce.content(found, evaluation, (searched, evaluated), settings.seed, tracking_uri),
    }
    write_page(out / "index.html", "experiment_page", pictures=pictures, **content)
    write_twin(out / "README.md", "experiment_page", **content)
    drawing.write_pictures(out / "figures", pictures.values())
    metrics = _metrics(found, evaluation, scores, decisions, screening)
    write_json(out / "metrics.json", metrics.compared())
    info = NumbersInfo(
        experiment=experiment,
        dataset=found.study.dataset,
        question=found.study.question,
        objective=main,
        study=found.study.study,
        medical=evaluation.dataset.medical,
        n_classes=len(evaluation.classes),
        metrics=metrics,
        intervals=_intervals(scores, comparison, decisions),
        seeds={model: [float(f"{value:.6g}") for value in scores.seeds["macro_f1"][model]] for model in MODELS},
    )
    test = evaluation.parts["test"]
    predicted = {
        f"seed {run.seed}": p for run, p in zip(evaluation.runs("winner"), test.models["winner"].predicted, strict=True)
    }
    shared = dict(zip(SHARED, (test.samples, test.groups, test.labels), strict=True))
    ReportNumbers(info, pd.DataFrame(shared | predicted)).write(layout.report_numbers(experiment))
    _write_plots(out, evaluation, scores, main)


def _digits(value: float | None) -> float | None:
    """Six significant digits: enough for any reader, few enough for a readable `dvc metrics diff`."""
    return None if value is None else float(f"{value:.6g}")


def _metrics(
    found: SearchResult,
    evaluation: Evaluation,
    scores: Scores,
    decisions: dict[str, Decision],
    settings: ScreeningSettings,
) -> Metrics:
    def means(model: str) -> dict[str, float | None]:
        return {name: _digits(scores.means[name][model].value) for name in SCORES}

    screening = None
    if decisions:
        operation, s = decisions["winner"].operation, decisions["winner"].estimate
        expected = {
            f"{name}{end}": _digits(getattr(getattr(s, name), attribute))
            for name in ("false_positives", "false_negatives", "ppv", "npv")
            for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        screening = ScreeningNumbers.model_validate(
            {
                "sensitivity": _digits(operation.sensitivity),
                "specificity": _digits(operation.specificity),
                **expected,
                "prevalence_per_100k": settings.prevalence_per_100k,
                "n_diseased_groups": operation.n_diseased,
                "n_healthy_groups": operation.n_healthy,
            }
        )
    return Metrics(
        test=means("winner"),
        test_sd={name: _digits(analysis.spread(scores.seeds[name]["winner"])) for name in SCORES},
        n_seeds=len(evaluation.runs("winner")),
        baseline_test=means("baseline"),
        best_of_n_val=_digits(found.study.best.score),
        n_trials=found.study.n_trials,
        screening=screening,
    )


def _intervals(scores: Scores, comparison: Comparison, decisions: dict[str, Decision]) -> Intervals:
    """Return the intervals that the leaderboard shows with the compared numbers."""

    def ends(estimate: Estimate) -> tuple[float | None, float | None]:
        return _digits(estimate.low), _digits(estimate.high)

    s = decisions["winner"].estimate if decisions else None
    return Intervals(
        test={name: ends(scores.means[name]["winner"]) for name in SCORES},
        baseline_test={name: ends(scores.means[name]["baseline"]) for name in SCORES},
        difference={name: (_digits(scores.difference[name].value), *ends(scores.difference[name])) for name in SCORES},
        mcnemar_p=float(f"{comparison.p:.6g}"),
        sensitivity=ends(s.sensitivity) if s else None,
        specificity=ends(s.specificity) if s else None,
    )


def _write_plots(out: Path, evaluation: Evaluation, scores: Scores, main: str) -> None:
    """Small tables for `dvc plots`; the confusion is that of the winner's seed with the median score."""
    test, names = evaluation.parts["test"], np.array(evaluation.classes)
    values = scores.seeds[main]["winner"]
    median = int(np.argsort(values, kind="stable")[(values.size - 1) // 2])
    confusion = pd.DataFrame(
        {"actual": names[test.labels], "predicted": names[test.models["winner"].predicted[median]]}
    )
    for name, table in (("confusion", confusion), ("curves", mean_curves(evaluation.curves_by_step).round(5))):
        write_spreadsheet_csv(out / f"{name}.csv", table)
