"""The numbers of a report for the summary, for `dvc metrics` and for `dvc plots`."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.report_numbers import SHARED, Intervals, Metrics, NumbersInfo, ReportNumbers, ScreeningNumbers
from pipeline.core.tables import write_spreadsheet_csv
from pipeline.report.analysis.scoring import confusions, median_run, spread
from pipeline.report.results import Results
from pipeline.report.sections.cross_validation import new_data
from pipeline.report.sections.learning_curves import mean_curves
from pipeline.report.sections.verdict import answer
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES


def report_numbers(results: Results) -> ReportNumbers:
    """Return scores, intervals and the winner's predictions on test."""
    evaluation, test, study = results.evaluation, results.evaluation.parts["test"], results.search.study
    info = NumbersInfo(
        experiment=results.experiment,
        dataset=study.dataset,
        question=study.question,
        verdict=answer(results),
        objective=results.objective,
        study=study.study,
        medical=evaluation.dataset.medical,
        n_classes=len(evaluation.classes),
        metrics=_metrics(results),
        intervals=_intervals(results),
        seeds={model: [float(f"{v:.6g}") for v in results.scores.seeds["macro_f1"][model]] for model in MODELS},
    )
    shared = dict(zip(SHARED, (test.samples, test.groups, test.labels), strict=True))
    runs = zip(evaluation.runs("winner"), test.models["winner"].predicted, strict=True)
    return ReportNumbers(info, pd.DataFrame(shared | {f"seed {run.seed}": predicted for run, predicted in runs}))


def _digits(value: float | None) -> float | None:
    """Return six significant digits, so that `dvc metrics diff` is readable."""
    return None if value is None else float(f"{value:.6g}")


def _ends(estimate: Estimate) -> tuple[float | None, float | None]:
    return _digits(estimate.low), _digits(estimate.high)


def _metrics(results: Results) -> Metrics:
    scores, study = results.scores, results.search.study
    winner, baseline = ({name: _digits(scores.means[name][model].value) for name in SCORES} for model in MODELS)
    return Metrics(
        test=winner,
        test_sd={name: _digits(spread(scores.seeds[name]["winner"])) for name in SCORES},
        n_seeds=len(results.evaluation.runs("winner")),
        baseline_test=baseline,
        best_of_n_val=_digits(study.best.score),
        n_trials=study.n_trials,
        cross_validation={name: _digits(of.value) for name, of in new_data(results).items()} or None,
        screening=_screening(results) if results.decisions else None,
    )


def _screening(results: Results) -> ScreeningNumbers:
    decision = results.decisions["winner"]
    numbers: dict[str, float | None] = {}
    for name in ("false_positives", "false_negatives", "ppv", "npv"):
        of: Estimate = getattr(decision.estimate, name)
        numbers |= {name: _digits(of.value), f"{name}_low": _digits(of.low), f"{name}_high": _digits(of.high)}
    return ScreeningNumbers.model_validate(
        {
            "sensitivity": _digits(decision.operation.sensitivity),
            "specificity": _digits(decision.operation.specificity),
            **numbers,
            "prevalence_per_100k": results.settings.screening.prevalence_per_100k,
            "n_diseased_groups": decision.operation.n_diseased,
            "n_healthy_groups": decision.operation.n_healthy,
        }
    )


def _intervals(results: Results) -> Intervals:
    """Return the intervals that the leaderboard shows."""
    means, difference, test = results.scores.means, results.scores.difference, results.comparison.test
    screening = results.decisions["winner"].estimate if results.decisions else None
    return Intervals(
        test={name: _ends(means[name]["winner"]) for name in SCORES},
        baseline_test={name: _ends(means[name]["baseline"]) for name in SCORES},
        difference={name: (_digits(difference[name].value), *_ends(difference[name])) for name in SCORES},
        groups_right=(_digits(test.difference.value), *_ends(test.difference)),
        sign_flip_p=float(f"{test.p:.6g}"),
        cross_validation={name: _ends(of) for name, of in new_data(results).items()} or None,
        sensitivity=_ends(screening.sensitivity) if screening else None,
        specificity=_ends(screening.specificity) if screening else None,
    )


def write_plots(results: Results, folder: Path) -> None:
    """Write the tables of `dvc plots`: confusion.csv and curves.csv."""
    write_spreadsheet_csv(folder / "confusion.csv", confusion_counts(results))
    write_spreadsheet_csv(folder / "curves.csv", mean_curves(results.evaluation.curves_by_step).round(5))


def confusion_counts(results: Results) -> pd.DataFrame:
    """Return actual, predicted and number of test groups per pair of classes, of the winner's seed of median score."""
    classes, k = results.evaluation.classes, len(results.evaluation.classes)
    matrices = confusions(results.evaluation.parts["test"], "winner", k)
    counts = matrices[median_run(results.evaluation, "winner")].round(3)
    return pd.DataFrame({"actual": np.repeat(classes, k), "predicted": np.tile(classes, k), "count": counts.ravel()})
