"""The numbers of a report for the summary, for `dvc metrics` and for `dvc plots`."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.artifacts.evaluation import MODELS
from pipeline.artifacts.report_numbers import SHARED, Intervals, Metrics, NumbersInfo, ReportNumbers, ScreeningNumbers
from pipeline.core.tables import write_spreadsheet_csv
from pipeline.report.analysis.scoring import confusions, spread
from pipeline.report.results import Results
from pipeline.report.sections.learning_curves.analysis import mean_curves
from pipeline.statistics.intervals import Estimate
from pipeline.statistics.scores import SCORES


def report_numbers(results: Results) -> ReportNumbers:
    """Return scores, intervals and the winner's predictions on test."""
    evaluation, test = results.evaluation, results.evaluation.parts["test"]
    info = NumbersInfo(
        experiment=results.experiment,
        dataset=results.search.study.dataset,
        question=results.search.study.question,
        objective=results.objective,
        study=results.search.study.study,
        medical=evaluation.dataset.medical,
        n_classes=len(evaluation.classes),
        metrics=_metrics(results),
        intervals=_intervals(results),
        seeds={model: [_digits(value) for value in results.scores.seeds["macro_f1"][model]] for model in MODELS},
    )
    shared = dict(zip(SHARED, (test.samples, test.groups, test.labels), strict=True))
    runs = zip(evaluation.runs("winner"), test.models["winner"].predicted, strict=True)
    return ReportNumbers(info, pd.DataFrame(shared | {f"seed {run.seed}": predicted for run, predicted in runs}))


def _digits(value: float) -> float:
    """Return six significant digits, so that `dvc metrics diff` is readable."""
    return float(f"{value:.6g}")


def _optional(value: float | None) -> float | None:
    return None if value is None else _digits(value)


def _metrics(results: Results) -> Metrics:
    scores, study = results.scores, results.search.study
    winner, baseline = ({name: _optional(scores.means[name][model].value) for name in SCORES} for model in MODELS)
    return Metrics(
        test=winner,
        test_sd={name: _optional(spread(scores.seeds[name]["winner"])) for name in SCORES},
        n_seeds=len(results.evaluation.runs("winner")),
        baseline_test=baseline,
        best_of_n_val=_optional(study.best.score),
        n_trials=study.n_trials,
        screening=_screening(results) if results.decisions else None,
    )


def _screening(results: Results) -> ScreeningNumbers:
    operation, estimate = results.decisions["winner"].operation, results.decisions["winner"].estimate
    numbers: dict[str, float | None] = {}
    for name in ("false_positives", "false_negatives", "ppv", "npv"):
        of: Estimate = getattr(estimate, name)
        numbers |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
    return ScreeningNumbers.model_validate(
        {
            "sensitivity": _digits(operation.sensitivity),
            "specificity": _digits(operation.specificity),
            **{name: _optional(value) for name, value in numbers.items()},
            "prevalence_per_100k": results.settings.screening.prevalence_per_100k,
            "n_diseased_groups": operation.n_diseased,
            "n_healthy_groups": operation.n_healthy,
        }
    )


def _intervals(results: Results) -> Intervals:
    """Return the intervals that the leaderboard shows."""

    def ends(estimate: Estimate) -> tuple[float | None, float | None]:
        return _optional(estimate.low), _optional(estimate.high)

    means, difference = results.scores.means, results.scores.difference
    screening = results.decisions["winner"].estimate if results.decisions else None
    return Intervals(
        test={name: ends(means[name]["winner"]) for name in SCORES},
        baseline_test={name: ends(means[name]["baseline"]) for name in SCORES},
        difference={name: (_optional(difference[name].value), *ends(difference[name])) for name in SCORES},
        mcnemar_p=_digits(results.comparison.p),
        sensitivity=ends(screening.sensitivity) if screening else None,
        specificity=ends(screening.specificity) if screening else None,
    )


def write_plots(results: Results, folder: Path) -> None:
    """Write the tables of `dvc plots`: confusion.csv and curves.csv."""
    write_spreadsheet_csv(folder / "confusion.csv", confusion_counts(results))
    write_spreadsheet_csv(folder / "curves.csv", mean_curves(results.evaluation.curves_by_step).round(5))


def confusion_counts(results: Results) -> pd.DataFrame:
    """Return one row per pair of classes: actual, predicted and count of test images.

    They are those of the winner's seed with the median score.
    """
    classes, scores = results.evaluation.classes, results.scores.seeds[results.objective]["winner"]
    median = int(np.argsort(scores, kind="stable")[(scores.size - 1) // 2])
    counts = confusions(results.evaluation.parts["test"], "winner", len(classes))[median]
    k = len(classes)
    return pd.DataFrame({"actual": np.repeat(classes, k), "predicted": np.tile(classes, k), "count": counts.ravel()})
